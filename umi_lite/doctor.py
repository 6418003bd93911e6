"""`umi doctor`: checks of what works on this machine, each with a fix.

torch, Unsloth and bitsandbytes are tried in separate processes: one of them may crash its
process, and Unsloth patches what it is imported into.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umi_lite.console import Line
from umi_lite.errors import UserError

_LITTLE_RAM = 2 << 30
_LITTLE_DISK = 5 << 30
_CUDA = (
    'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir --no-deps '
    "llama-cpp-python"
)


def running_lines(card: str | None) -> Iterator[Line]:
    """Yield llama.cpp, the embedded model, inference, sandbox, memory and disk, one by one.

    Args:
        card: the GPU that `nvidia_card` found.
    """
    yield llama_line(card)
    yield embedded_line()
    yield inference_line()
    yield sandbox_line()
    yield memory_line()
    yield disk_line(Path.cwd())


def llama_line(card: str | None) -> Line:
    """Check that a model's layers go to the GPU, by the GPU's own free memory."""
    from umi_lite.engine.library import library

    try:
        offload = bool(library().llama_supports_gpu_offload())
    except UserError as err:
        fix = "pip install --force-reinstall --no-deps llama-cpp-python"
        return Line(mark="✗", name="llama.cpp", found=str(err), fix=fix)
    if not offload and card is None:
        return Line(mark="✓", name="llama.cpp", found="inference uses the CPU")
    if not offload:
        found = "built without CUDA: inference does not use the GPU"
        return Line(mark="✗", name="llama.cpp", found=found, fix=_CUDA)
    taken = _memory_on_gpu()
    if taken is None:
        return Line(
            mark="✓", name="llama.cpp", found="built for a GPU (not tried: no model is installed)"
        )
    if taken <= 0:
        found = "built for a GPU, but a model's layers took none of its memory"
        return Line(mark="✗", name="llama.cpp", found=found, fix=_CUDA)
    found = f"inference uses the GPU: a model of 98 MB took {taken / 2**20:.0f} MiB there"
    return Line(mark="✓", name="llama.cpp", found=found)


def _memory_on_gpu() -> int | None:
    """Return the bytes that the embedded model takes on the GPU, None if it is not installed."""
    from umi_lite.engine.engine import Engine
    from umi_lite.engine.machine import machine
    from umi_lite.weights.embedded import embedded_gguf

    try:
        gguf = embedded_gguf()
    except UserError:
        return None
    before = machine().gpu
    with Engine(gguf, {"planner": None}, n_ctx=64, n_gpu_layers=-1):
        return before - machine().gpu


def embedded_line() -> Line:
    from umi_lite.weights.embedded import embedded_gguf

    try:
        found = embedded_gguf().name
    except UserError as err:
        reason, _, fix = str(err).partition(": ")
        return Line(mark="–", name="embedded model", found=reason, fix=fix)
    return Line(mark="✓", name="embedded model", found=found)


def inference_line() -> Line:
    """Check that the embedded model's quantised weights run on the CPU, in a child process."""
    from umi_lite.engine.library import library
    from umi_lite.engine.machine import repacks
    from umi_lite.engine.proof import TOKENS, prove
    from umi_lite.weights.embedded import embedded_gguf

    try:
        library()
    except UserError:
        return Line(mark="–", name="inference", found="not tried without llama.cpp")
    try:
        gguf = embedded_gguf()
    except UserError:
        return Line(mark="–", name="inference", found="not tried: no model is installed")
    try:
        how = "rearranged for this processor" if repacks() else "left as they are"
        prove(gguf)
    except UserError as err:
        found, _, fix = str(err).partition(": ")
        return Line(mark="✗", name="inference", found=found, fix=fix or None)
    found = f"a child process evaluated {TOKENS} tokens at once; quantised weights are {how}"
    return Line(mark="✓", name="inference", found=found)


def sandbox_line() -> Line:
    """Check which isolation level starts here, from the strongest."""
    from umi_lite.sandbox.sandbox import Sandbox

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
    from umi_lite.engine.machine import cores, free_ram

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


_SECONDS = 180
_WORTH_BF16 = 1.3
_TORCH = """\
import json, time, torch

def seconds(kind):
    rows, weight = torch.randn(512, 576).to(kind), torch.randn(1536, 576).to(kind)
    took = []
    for _ in range(9):
        start = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        took.append(time.perf_counter() - start)
    return min(took)

found = {"version": torch.__version__, "cuda": torch.version.cuda, "card": None}
if torch.cuda.is_available():
    one = torch.ones(64, 64, device="cuda")
    made = one @ one
    found["card"] = torch.cuda.get_device_name(made.device)
    found["memory"] = torch.cuda.mem_get_info()
    found["bf16"] = torch.cuda.is_bf16_supported()
    found["right"] = bool(made[0, 0].item() == 64)
else:
    torch.set_num_threads(1)
    found["bf16_speed"] = seconds(torch.float32) / seconds(torch.bfloat16)
print(json.dumps(found))
"""
_FOUR_BIT = """\
import json, bitsandbytes, torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
device = "cuda" if torch.cuda.is_available() else "cpu"
weights = torch.randn(64, 64, device=device)
packed, state = quantize_4bit(weights, quant_type="nf4")
near = (dequantize_4bit(packed, state) - weights).abs().mean().item()
print(json.dumps({"version": bitsandbytes.__version__, "device": device, "error": near}))
"""
_UNSLOTH = """\
import json, unsloth
print(json.dumps({"version": unsloth.__version__}))
"""


def training_lines(card: str | None) -> Iterator[Line]:
    """Yield GPU and driver, torch, Unsloth, bitsandbytes and converters, one by one.

    Args:
        card: the GPU that `nvidia_card` found.
    """
    yield gpu_line(card)
    yield torch_line(card)
    yield unsloth_line(card)
    yield four_bit_line()
    yield converter_line()


def nvidia_card() -> str | None:
    """Return name, driver and memory from `nvidia-smi`, None without a GPU."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout else None


def gpu_line(card: str | None) -> Line:
    if card is None:
        return Line(mark="–", name="GPU", found="no NVIDIA GPU: everything runs on the CPU")
    return Line(mark="✓", name="GPU", found=card)


def torch_line(card: str | None) -> Line:
    """Check that torch computes on the GPU; on a CPU, compare bf16 with fp32."""
    found = _child(_TORCH, "torch")
    if isinstance(found, str):
        return Line(
            mark="✗",
            name="torch",
            found=found,
            fix="make, or pip install torch (for training only)",
        )
    text = f"{found['version']}, CUDA {found['cuda'] or 'none'}"
    if found["card"]:
        free, total = (part / 2**30 for part in found["memory"])
        kind = "bf16" if found["bf16"] else "fp16"
        text += f"; training uses {found['card']}, {free:.1f} of {total:.1f} GiB free, {kind}"
        if not found["right"]:
            fix = "install a build of torch for this GPU (pytorch.org/get-started)"
            return Line(mark="✗", name="torch", found=f"{text}, but wrong results", fix=fix)
        return Line(mark="✓", name="torch", found=text)
    if card is None:
        text += f"; training uses the CPU; {_cpu_bf16(found)}"
        return Line(mark="✓", name="torch", found=text)
    return Line(
        mark="✗",
        name="torch",
        found=f"{text}; training does not use the GPU",
        fix="install a build of torch for the GPU's CUDA (pytorch.org/get-started)",
    )


def _cpu_bf16(found: dict[str, Any]) -> str:
    """Return what bf16 brings on this CPU: matrix products of the embedded model's size."""
    speed = found["bf16_speed"]
    advice = ", -o precision=bf16 trains faster" if speed > _WORTH_BF16 else ""
    return f"bf16 has {speed:.1f} times the speed of fp32{advice}"


def unsloth_line(card: str | None) -> Line:
    found = _child(_UNSLOTH, "unsloth")
    if not isinstance(found, str):
        used = "" if card else "; without a GPU only if a recipe says backend: unsloth"
        return Line(mark="✓", name="Unsloth", found=f"{found['version']} imports{used}")
    return Line(
        mark="–" if card is None else "✗",
        name="Unsloth",
        found=f"{found}; backend: plain is used",
        fix=None if card is None else "pip install --no-deps unsloth unsloth_zoo",
    )


def four_bit_line() -> Line:
    """Check that 4-bit weights survive packing and unpacking."""
    found = _child(_FOUR_BIT, "bitsandbytes")
    if isinstance(found, str):
        return Line(
            mark="✗",
            name="bitsandbytes",
            found=f"{found}; no QLoRA",
            fix="pip install bitsandbytes",
        )
    # NF4 of a normal distribution is off by 0.07 on average.
    right = found["error"] < 0.1
    text = f"{found['version']}, NF4 on {found['device']}"
    if not right:
        fix = "pip install --upgrade bitsandbytes"
        return Line(
            mark="✗", name="bitsandbytes", found=f"{text}, unpacked to wrong values", fix=fix
        )
    return Line(mark="✓", name="bitsandbytes", found=text)


def converter_line() -> Line:
    from umi_lite.weights.hf_to_gguf import converter_folder

    try:
        converter_folder()
    except UserError as err:
        found, _, fix = str(err).partition(": ")
        return Line(mark="✗", name="GGUF converters", found=found, fix=fix)
    return Line(mark="✓", name="GGUF converters", found="those of llama.cpp")


def _child(code: str, package: str) -> dict[str, Any] | str:
    """Return the JSON on the last line that the code prints, or why there is none, as text."""
    if importlib.util.find_spec(package) is None:
        return "not installed"
    environment = os.environ | {
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no result within {_SECONDS} s"
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    lines = done.stderr.strip().splitlines()
    return f"fails: {lines[-1] if lines else f'status {done.returncode}'}"


def recipe_lines(name: str) -> Iterator[Line]:
    """Yield needed and free memory and disk of a recipe.

    Args:
        name: a recipe's name or file.

    Raises:
        UserError: no such recipe, or its errors.
    """
    from umi_lite.recipe.schema import load_recipe
    from umi_lite.train.budget.forecast import training_lines

    recipe = load_recipe(name)
    yield from training_lines(recipe, Path("runs") / recipe.name)
