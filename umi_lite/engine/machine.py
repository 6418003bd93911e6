"""Free RAM and GPU memory, and the cores of this machine."""

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.engine.library import library
from umi_lite.engine.threads import Times, look
from umi_lite.errors import UserError

_GPU_KINDS = (1, 2)  # GGML_BACKEND_DEVICE_TYPE_GPU and _IGPU (ggml/include/ggml-backend.h)
_CGROUP = Path("/sys/fs/cgroup")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
# Exists only if the CPU has cores of two kinds (Intel).
_PERFORMANCE_CORES = Path("/sys/devices/cpu_core/cpus")


@dataclass(frozen=True)
class Machine:
    """Bytes that are free in RAM and on the GPUs llama.cpp can use (0 without one); cores.

    `left` CPUs are not used by other programs; None if that was not measured.
    """

    ram: int
    gpu: int
    cores: int
    left: float | None = None


def machine(since: Times | None = None) -> Machine:
    """Measure now, within a container's limits.

    Args:
        since: when measuring other programs began; default now, which takes 0.05 s.
    """
    return Machine(ram=free_ram(), gpu=_free_gpu(), cores=cores(), left=look(since))


def cores() -> int:
    """Return how many cores to compute on: physical, allowed, no efficiency cores.

    llama.cpp's threads wait for each other after every operation, so a hyper-thread or a slow
    core among them holds up all.
    """
    import psutil

    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # macOS and Windows have no such call
        return psutil.cpu_count(logical=False) or 1
    if _PERFORMANCE_CORES.exists():
        usable = usable & _cpu_list(_PERFORMANCE_CORES.read_text()) or usable
    physical: set[str] = set()
    for cpu in usable:
        siblings = Path(_TOPOLOGY.format(cpu))
        physical.add(siblings.read_text() if siblings.exists() else str(cpu))
    return max(1, min(len(physical), _quota()))


def _cpu_list(text: str) -> set[int]:
    """Parse `0-3,8` into CPU numbers."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _quota() -> int:
    """Return the whole CPUs that a container allows (cgroup v2), or a large number."""
    limit = _cgroup("cpu.max").split()
    if len(limit) != 2 or limit[0] == "max":
        return 1 << 20
    return max(1, int(limit[0]) // int(limit[1]))


def free_ram() -> int:
    """Return the bytes of RAM that are free, or that a container leaves of its limit."""
    import psutil

    free = psutil.virtual_memory().available
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    return min(free, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else free


def _cgroup(name: str) -> str:
    """Return a cgroup file's text, "" if there is none; a container sees its own at the root."""
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""


def _free_gpu() -> int:
    """Return the bytes free on the GPUs that llama.cpp was built for."""
    lib: Any = library().llama_cpp._lib
    lib.ggml_backend_dev_count.restype = ctypes.c_size_t
    lib.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    lib.ggml_backend_dev_get.restype = ctypes.c_void_p
    lib.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    lib.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    lib.ggml_backend_dev_memory.restype = None
    found = 0
    for index in range(lib.ggml_backend_dev_count()):
        device = lib.ggml_backend_dev_get(index)
        if lib.ggml_backend_dev_type(device) in _GPU_KINDS:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            lib.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            found += free.value
    return found


REPACK = "UMI_REPACK"


def may_repack(features: str, given: str | None = None) -> bool:
    """True if weights may be rearranged: always, except with AMX.

    Args:
        features: what llama.cpp was built with and uses (`llama_print_system_info`).
        given: the user's choice, `0` or `1`; default by the features.

    Raises:
        UserError: another choice.
    """
    if given:
        if given not in ("0", "1"):
            raise UserError(
                f"{REPACK}={given}: 0 keeps weights as the file has them, 1 rearranges them"
            )
        return given == "1"
    return "AMX_INT8 = 1" not in features


def repacks() -> bool:
    """True if weights are rearranged in this process; `$UMI_REPACK`, 0 or 1, overrides.

    Raises:
        UserError: llama.cpp cannot be loaded, or `$UMI_REPACK` is neither 0 nor 1.
    """
    return may_repack(features(), os.environ.get(REPACK))


def features() -> str:
    """Return the features that llama.cpp uses here, as it prints them: `CPU : AVX2 = 1 | …`."""
    return library().llama_print_system_info().decode("utf-8", "replace")


def machine_record(threads: int) -> dict[str, Any]:
    """Return the context of a measured figure: the processor, its cores, the threads used."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
        model = names[0] if names else model
    except OSError:
        pass
    return {"cpu": model, "cores": os.cpu_count(), "threads": threads}
