"""What training needs: the card, torch on it, Unsloth, 4-bit weights, the converters.

torch, Unsloth and bitsandbytes are tried in processes of their own: one of them may end its
process, and Unsloth patches what it is imported into.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from umi_lite.doctor.line import Line
from umi_lite.protocol.errors import UserError

_SECONDS = 180
_TORCH = """\
import json, torch
found = {"version": torch.__version__, "cuda": torch.version.cuda, "card": None}
if torch.cuda.is_available():
    one = torch.ones(64, 64, device="cuda")
    made = one @ one
    found["card"] = torch.cuda.get_device_name(made.device)
    found["memory"] = torch.cuda.mem_get_info()
    found["bf16"] = torch.cuda.is_bf16_supported()
    found["right"] = bool(made[0, 0].item() == 64)
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
    """GPU and driver, torch, Unsloth, bitsandbytes, converters, in this order, as they are found.

    Args:
        card: what `nvidia_card` found.
    """
    yield gpu_line(card)
    yield torch_line(card)
    yield unsloth_line(card)
    yield four_bit_line()
    yield converter_line()


def nvidia_card() -> str | None:
    """Name, driver and memory as `nvidia-smi` tells them, None without a card."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout else None


def gpu_line(card: str | None) -> Line:
    if card is None:
        return Line(mark="–", name="GPU", found="no NVIDIA card: all runs on the CPU")
    return Line(mark="✓", name="GPU", found=card)


def torch_line(card: str | None) -> Line:
    """Does a computation of torch really happen on the card?"""
    found = _child(_TORCH, "torch")
    if isinstance(found, str):
        return Line(
            mark="✗",
            name="torch",
            found=found,
            fix="make, or pip install torch (for training only)",
        )
    told = f"{found['version']}, CUDA {found['cuda'] or 'none'}"
    if found["card"]:
        free, total = (part / 2**30 for part in found["memory"])
        kind = "bf16" if found["bf16"] else "fp16"
        told += f"; training uses {found['card']}, {free:.1f} of {total:.1f} GiB free, {kind}"
        if not found["right"]:
            fix = "install a build of torch for this card (pytorch.org/get-started)"
            return Line(mark="✗", name="torch", found=f"{told}, but computes wrongly", fix=fix)
        return Line(mark="✓", name="torch", found=told)
    if card is None:
        return Line(mark="✓", name="torch", found=f"{told}; training uses the CPU")
    return Line(
        mark="✗",
        name="torch",
        found=f"{told}; training does not use the card",
        fix="install a build of torch for the card's CUDA (pytorch.org/get-started)",
    )


def unsloth_line(card: str | None) -> Line:
    found = _child(_UNSLOTH, "unsloth")
    if not isinstance(found, str):
        used = "" if card else "; without a card only where a recipe says backend: unsloth"
        return Line(mark="✓", name="Unsloth", found=f"{found['version']} imports{used}")
    return Line(
        mark="–" if card is None else "✗",
        name="Unsloth",
        found=f"{found}; backend: plain is used",
        fix=None if card is None else "pip install --no-deps unsloth unsloth_zoo",
    )


def four_bit_line() -> Line:
    """Are 4-bit weights packed and unpacked rightly?"""
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
    told = f"{found['version']}, NF4 on {found['device']}"
    if not right:
        fix = "pip install --upgrade bitsandbytes"
        return Line(mark="✗", name="bitsandbytes", found=f"{told}, unpacked wrongly", fix=fix)
    return Line(mark="✓", name="bitsandbytes", found=told)


def converter_line() -> Line:
    from umi_lite.export.converter import converter_folder

    try:
        converter_folder()
    except UserError as err:
        found, _, fix = str(err).partition(": ")
        return Line(mark="✗", name="GGUF converters", found=found, fix=fix)
    return Line(mark="✓", name="GGUF converters", found="llama.cpp's own")


def _child(code: str, package: str) -> dict[str, Any] | str:
    """What the code prints as JSON on its last line; else why it did not, in one line."""
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
        return f"does not come up within {_SECONDS} s"
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    said = done.stderr.strip().splitlines()
    return f"fails: {said[-1] if said else f'status {done.returncode}'}"
