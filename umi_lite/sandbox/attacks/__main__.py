"""`python -m umi_lite.sandbox.attacks LEVEL`: one JSON line per outcome, then `"done"`.

Another string says why the suite did not run.
"""

import json
import sys
from dataclasses import asdict
from typing import cast

from umi_lite.errors import UserError
from umi_lite.sandbox.attacks.suite import run_suite
from umi_lite.sandbox.result import Level


def main(level: str) -> None:
    """Run the suite at a level."""
    try:
        run_suite(cast(Level, level), lambda seen: print(json.dumps(asdict(seen)), flush=True))
        print(json.dumps("done"))
    except UserError as err:
        print(json.dumps(str(err)))


if __name__ == "__main__":
    main(sys.argv[1])
