"""`capped.py RUN GIB`: the jobs of a run, with no more of the card than GIB, as on a smaller one.

It is `umi_lite.train.child` behind a cap. What the process took stands in `RUN/memory.json`.
The cap holds what torch allocates; what CUDA itself takes (0.3 to 0.6 GiB, by card and driver)
is in `device` too.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from umi_lite.files import write_text


def main(root: Path, gib: float) -> int:
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", tempfile.mkdtemp(prefix="umi-unsloth-"))
    from umi_lite.train.backends import choose, prepare_process
    from umi_lite.train.child import main as train
    from umi_lite.train.run_dir import RunDir

    # Unsloth says how memory is allocated, and is heard only before the first allocation.
    prepare_process(choose(RunDir(root).resume(None)))
    import torch

    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gib * 2**30 / total))
    try:
        return train(root)
    finally:
        write_text(root / "memory.json", json.dumps(_taken()) + "\n")


def _taken() -> dict[str, int]:
    """Bytes: at the peak, allocated and reserved by torch; on the card now, CUDA's own too."""
    import torch

    if not torch.cuda.is_available():
        from umi_lite.train.memory import peak_memory

        return {"resident": peak_memory()}
    free, total = torch.cuda.mem_get_info()
    return {
        "allocated": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
        "device": total - free,
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
