"""`capped.py RUN GIB`: run the jobs of a run with only GIB of the card, as on a smaller one.

It runs `umi_lite.train.child` under a cap. The memory that a card of GIB would not have is
allocated from the driver first, since Unsloth chunks its loss by the free memory that the driver
reports; torch's own cap limits the rest. What the process used is written to `RUN/memory.json`.
"""

import ctypes
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

    # Unsloth configures the allocator, which works only before the first allocation.
    prepare_process(choose(RunDir(root).resume(None)))
    import torch

    held = _cap(int(gib * 2**30)) if torch.cuda.is_available() else 0
    try:
        return train(root)
    finally:
        write_text(root / "memory.json", json.dumps(_taken(held)) + "\n")


def _cap(size: int) -> int:
    """Leave `size` bytes of the card to this process, CUDA's own context among them.

    Returns:
        The bytes that are allocated and not used.
    """
    import torch

    free, total = torch.cuda.mem_get_info()
    context = total - free
    held = total - size
    if held <= 0:
        return 0
    driver = ctypes.CDLL("libcuda.so.1")
    status = driver.cuMemAlloc_v2(ctypes.byref(ctypes.c_void_p()), ctypes.c_size_t(held))
    if status:
        raise MemoryError(f"the driver does not hold {held} bytes (cuMemAlloc: {status})")
    torch.cuda.set_per_process_memory_fraction((size - context) / total)
    return held


def _taken(held: int) -> dict[str, int]:
    """Return the peak bytes that torch allocated and reserved, and `device`: reserved bytes plus
    what else the process has on the card, mainly the CUDA context."""
    import torch

    if not torch.cuda.is_available():
        from umi_lite.train.device import peak_memory

        return {"resident": peak_memory()}
    free, total = torch.cuda.mem_get_info()
    besides = total - free - held - torch.cuda.memory_reserved()
    return {
        "allocated": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
        "device": torch.cuda.max_memory_reserved() + besides,
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
