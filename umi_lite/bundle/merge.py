"""LoRA adapters merged into the weights of GGUFs: faster roles, at the memory of a model per role.

The merged files are made once and kept.
"""

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.engine.gguf import Tensor, read_gguf
from umi_lite.errors import Note, UserError
from umi_lite.files import staged_file, writing
from umi_lite.protocol.trajectory import View

if TYPE_CHECKING:
    from umi_lite.bundle.spec import Place

# ggml types that can be read and written here (ggml/include/ggml.h).
F32, F16, Q8_0 = 0, 1, 8
_BLOCK = 32


def merged(places: Mapping[View, "Place"], folder: Path) -> dict[View, "Place"]:
    """Return the places with each adapter merged into its model's weights where that is possible.

    If the file cannot be kept (a full disk, no permission) the adapter stays one, with a `Note`.

    Args:
        folder: see `kept_merge`.

    Raises:
        UserError: see `merge`.
    """
    able = {model: can_merge(model) for model in {place.model for place in places.values()}}
    done = dict(places)
    for view, place in places.items():
        if place.adapter is None or not able[place.model]:
            continue
        try:
            made = kept_merge(place.model, place.adapter, folder, place.made_of)
        except (UserError, OSError) as err:
            if isinstance(err, UserError) and not isinstance(err.__cause__, OSError):
                raise
            warnings.warn(f"{err}: {view} runs with its adapter", Note, stacklevel=3)
        else:
            done[view] = replace(place, model=made, adapter=None)
    return done


def kept_merge(base: Path, adapter: Path, folder: Path, made_of: str) -> Path:
    """Return the file in `folder` with the adapter merged into the base; it is made once.

    Takes 0.5 s for 135M, and the base's size on disk.

    Args:
        made_of: the hashes of both, which name the file.

    Raises:
        UserError: see `merge`.
    """
    name = hashlib.sha256(made_of.encode()).hexdigest()[:24]
    kept = folder / f"{base.stem}-{adapter.stem}-{name}.gguf"
    if kept.exists():
        with suppress(OSError):
            os.utime(kept)  # so that `trim_cache` keeps it
    else:
        merge(base, adapter, kept)
    return kept


def can_merge(base: Path) -> bool:
    """True if all its matrices are of a type that `merge` can write."""
    return all(t.type in _CODECS for t in read_gguf(base, "base")[1] if len(t.shape) > 1)


def merge(base: Path, adapter: Path, target: Path) -> None:
    """Write `base` with W + alpha/r · B A in place of every W that the adapter has a pair for.

    In F32 and F16 that equals the model with the adapter up to rounding; in Q8_0 the sum is
    quantised again.

    Raises:
        UserError: a matrix is of another type than F32, F16 or Q8_0, the adapter does not
            fit, or the disk is full.
    """
    import numpy as np

    meta, pairs = read_gguf(adapter, "adapter")
    alpha = float(meta.get("adapter.lora.alpha", 0.0))
    there = {tensor.name: tensor for tensor in read_gguf(base, "base")[1]}
    lora = np.memmap(adapter, np.uint8, "r")
    halves = {pair.name: _read(lora, pair, f"adapter {adapter}") for pair in pairs}
    with writing(target), staged_file(target) as work:
        shutil.copyfile(base, work)
        weights = np.memmap(work, np.uint8, "r+")
        for name in sorted({name.removesuffix(".lora_a") for name in halves if "lora_a" in name}):
            down, up = halves[f"{name}.lora_a"], halves[f"{name}.lora_b"]
            tensor = there.get(name)
            if tensor is None or tensor.shape != (len(up), down.shape[1]):
                raise UserError(f"adapter {adapter} does not fit {base.name}: {name}")
            scale = alpha / len(down) if alpha else 1.0
            whole = _read(weights, tensor, f"base {base}") + scale * (up @ down)
            data = _CODECS[tensor.type][1](whole)
            weights[tensor.start : tensor.start + len(data)] = data
        weights.flush()


def _read(file: Any, tensor: Tensor, what: str) -> Any:
    """Return the tensor in float32 and its shape."""
    import numpy as np

    if tensor.type not in _CODECS:
        raise UserError(
            f"{what}: {tensor.name} is of ggml type {tensor.type}; merging needs F32, F16 or Q8_0"
        )
    count = int(np.prod(tensor.shape))
    return _CODECS[tensor.type][0](file[tensor.start :], count).reshape(tensor.shape)


def _read_floats(dtype: str) -> Callable[[Any, int], Any]:
    import numpy as np

    size = np.dtype(dtype).itemsize
    return lambda data, count: data[: count * size].view(dtype).astype(np.float32)


def _write_floats(dtype: str) -> Callable[[Any], Any]:
    import numpy as np

    return lambda weights: weights.astype(dtype).reshape(-1).view(np.uint8)


def _read_q8(data: Any, count: int) -> Any:
    """Read blocks of a float16 scale and 32 signed bytes (ggml-common.h, block_q8_0)."""
    import numpy as np

    blocks = data[: count // _BLOCK * (_BLOCK + 2)].reshape(-1, _BLOCK + 2)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return blocks[:, 2:].copy().view(np.int8) * scales


def _write_q8(weights: Any) -> Any:
    import numpy as np

    blocks = weights.reshape(-1, _BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    steps = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
    halves = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return np.hstack([halves, np.rint(steps).astype(np.int8).view(np.uint8)]).reshape(-1)


_CODECS: dict[int, tuple[Callable[[Any, int], Any], Callable[[Any], Any]]] = {
    F32: (_read_floats("<f4"), _write_floats("<f4")),
    F16: (_read_floats("<f2"), _write_floats("<f2")),
    Q8_0: (_read_q8, _write_q8),
}
