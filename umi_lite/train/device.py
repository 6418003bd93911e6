"""`Setting`: a run's device, backend, precision, optimizer; and the peak memory of a process."""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Setting:
    """Where and how a run trains: what `auto` in its recipe resolves to on a machine."""

    device: Literal["cpu", "cuda"]
    backend: Literal["plain", "unsloth"]
    precision: Literal["fp32", "bf16", "fp16"]
    optimizer: Literal["adamw", "adamw_8bit"]

    @property
    def dtype(self) -> Any:
        """The base's torch dtype."""
        import torch

        kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return kinds[self.precision]

    @property
    def offloads(self) -> bool:
        """True if the backend keeps in RAM what a card has no room for."""
        return self.backend == "unsloth" and self.device == "cuda"

    @property
    def width(self) -> int:
        """Bytes of an activation."""
        return 4 if self.precision == "fp32" else 2


def peak_memory() -> int:
    """Return the most bytes that this process held: on the GPU where there is one, else in RAM."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return peak_resident()


def peak_resident() -> int:
    """Return the most bytes of RAM that this process held (VmHWM on Linux).

    On Linux a program inherits `ru_maxrss` from the process that starts it.
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


def is_out_of_memory(err: BaseException) -> bool:
    """True for torch's error of a GPU and for those of its CPU allocator."""
    import torch

    if isinstance(err, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(err, RuntimeError) and "can't allocate memory" in str(err)
