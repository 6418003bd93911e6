"""What running needs: llama.cpp and where it computes, the sandbox, memory and disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from umi_lite.doctor.line import Line
from umi_lite.protocol.errors import UserError

_LITTLE_RAM = 2 << 30
_LITTLE_DISK = 5 << 30
_CUDA = (
    'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir --no-deps '
    "llama-cpp-python"
)


def running_lines(card: str | None) -> Iterator[Line]:
    """llama.cpp, the embedded model, inference, sandbox, free memory and disk, as they are found.

    Args:
        card: what `training.nvidia_card` found.
    """
    yield llama_line(card)
    yield embedded_line()
    yield inference_line()
    yield sandbox_line()
    yield memory_line()
    yield disk_line(Path.cwd())


def llama_line(card: str | None) -> Line:
    """Do a model's layers really go to the card? Told by the card's own free memory."""
    from umi_lite.runtime.library import library

    try:
        offload = bool(library().llama_supports_gpu_offload())
    except UserError as err:
        fix = "pip install --force-reinstall --no-deps llama-cpp-python"
        return Line(mark="✗", name="llama.cpp", found=str(err), fix=fix)
    if not offload and card is None:
        return Line(mark="✓", name="llama.cpp", found="inference uses the CPU")
    if not offload:
        found = "built without CUDA: inference does not use the card"
        return Line(mark="✗", name="llama.cpp", found=found, fix=_CUDA)
    taken = _taken_on_card()
    if taken is None:
        return Line(mark="✓", name="llama.cpp", found="built for a GPU (no model here to try it)")
    if taken <= 0:
        found = "built for a GPU, but a model's layers took none of its memory"
        return Line(mark="✗", name="llama.cpp", found=found, fix=_CUDA)
    found = f"inference uses the card: a model of 98 MB took {taken / 2**20:.0f} MiB there"
    return Line(mark="✓", name="llama.cpp", found=found)


def _taken_on_card() -> int | None:
    """Bytes that the embedded model takes on the card, None where it is not installed."""
    from umi_lite.base import embedded_gguf
    from umi_lite.runtime.engine import Engine
    from umi_lite.runtime.machine import machine

    try:
        gguf = embedded_gguf()
    except UserError:
        return None
    before = machine().gpu
    with Engine(gguf, {"planner": None}, n_ctx=64, n_gpu_layers=-1):
        return before - machine().gpu


def embedded_line() -> Line:
    from umi_lite.base import embedded_gguf

    try:
        found = embedded_gguf().name
    except UserError as err:
        reason, _, fix = str(err).partition(": ")
        return Line(mark="–", name="embedded model", found=reason, fix=fix)
    return Line(mark="✓", name="embedded model", found=found)


def inference_line() -> Line:
    """The embedded model's quantised weights evaluated on the CPU, in a child process."""
    from umi_lite.base import embedded_gguf
    from umi_lite.runtime.library import library
    from umi_lite.runtime.proof import TOKENS, prove
    from umi_lite.runtime.repack import repacks

    try:
        library()
    except UserError:
        return Line(mark="–", name="inference", found="not tried without llama.cpp")
    try:
        gguf = embedded_gguf()
    except UserError:
        return Line(mark="–", name="inference", found="not tried: there is no model here")
    try:
        how = "rearranged for this processor" if repacks() else "left as they are"
        prove(gguf)
    except UserError as err:
        found, _, fix = str(err).partition(": ")
        return Line(mark="✗", name="inference", found=found, fix=fix or None)
    found = f"a child process evaluated {TOKENS} tokens at once; quantised weights are {how}"
    return Line(mark="✓", name="inference", found=found)


def sandbox_line() -> Line:
    """The strongest level that starts here."""
    from umi_lite.sandbox.box import Sandbox

    with Sandbox() as sandbox:
        try:
            level = sandbox.start()
        except UserError as err:
            return Line(mark="✗", name="sandbox", found=str(err), fix="see docs/sandbox.md")
    if level == "standard":
        fix = "install bubblewrap for level full"
        return Line(mark="✓", name="sandbox", found="level standard", fix=fix)
    return Line(mark="✓", name="sandbox", found=f"level {level}")


def memory_line() -> Line:
    from umi_lite.runtime.machine import cores, free_ram

    ram = free_ram()
    found = f"{ram / 2**30:.1f} GiB of RAM free, {cores()} cores to compute on"
    if ram < _LITTLE_RAM:
        return Line(mark="✗", name="memory", found=found, fix="free some: a 7B bundle takes 6 GB")
    return Line(mark="✓", name="memory", found=found)


def disk_line(folder: Path) -> Line:
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.0f} GiB free here"
    if free < _LITTLE_DISK:
        return Line(mark="✗", name="disk", found=found, fix="free some: a 7B run takes 20 GB")
    return Line(mark="✓", name="disk", found=found)
