"""`python -m umi_lite.train.child RUN`: the jobs of a run in a separate process."""

import os
import sys
import tempfile
from pathlib import Path


def main(root: Path) -> int:
    """Run the jobs that are not done; return 2 for an error of the user's, 130 after Ctrl-C."""
    # Unsloth writes compiled code into the working directory by default.
    with tempfile.TemporaryDirectory(prefix="umi-unsloth-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", folder)
        return _train(root)


def _train(root: Path) -> int:
    from umi_lite.errors import UserError
    from umi_lite.train.backends import choose
    from umi_lite.train.progress import RichReporter
    from umi_lite.train.run_dir import RunDir
    from umi_lite.train.trainer import run_jobs

    run = RunDir(root)
    try:
        recipe = run.resume(None)
        with RichReporter() as reporter:
            run_jobs(recipe, run, choose(recipe), reporter)
    except UserError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
