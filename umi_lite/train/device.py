"""What training took of the machine's memory."""

import resource
import sys
from pathlib import Path
from typing import Any, Literal

from umi_lite.recipe.schema import Recipe

_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Bytes that this process held at most: on the GPU where there is one, else resident."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return peak_resident()


def peak_resident() -> int:
    """Bytes of RAM that this process held at most (Linux' VmHWM where there is one).

    Linux hands `ru_maxrss` on from a process to the program that it starts.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def precision(recipe: Recipe) -> Literal["fp32", "bf16", "fp16"]:
    """The recipe's precision, `auto` resolved: bf16 where the GPU has it, fp32 on a CPU."""
    if recipe.precision != "auto":
        return recipe.precision
    import torch

    if not torch.cuda.is_available():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def dtype_of(recipe: Recipe) -> Any:
    """The base's torch dtype for the recipe's precision."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return kinds[precision(recipe)]
