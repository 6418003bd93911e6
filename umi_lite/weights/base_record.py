"""Which base a run was trained on: some of its weights, kept in `base.json`, compared with a GGUF.

`umi export` compares them: another model of the same shape would take the adapters without an
error. Weights are compared, not logits: of SmolLM2-135M, Q2_K moves the logits as far as another
model may, while its weights stay far closer to the original than those of any other model.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.weights.gguf_to_hf import gguf_reader

FILE = "base.json"
_PART = re.compile(r"(?:^|\.)layers\.(\d+)\.(input_layernorm|mlp\.down_proj)\.weight$")
_LAYERS, _ROWS, _COLUMNS = 4, 2, 256  # 256: a block of llama.cpp's K types
# Relative distance of weights (root of summed squares) that a type may make, by the bits in its
# name; measured in docs/decisions.md. Two models that were trained apart are 1.4 from each other.
_BY_TYPE = {"F32": 0.01, "F16": 0.01, "BF16": 0.01, "Q8": 0.02, "Q6": 0.06, "Q5": 0.12}
_BY_TYPE |= {"Q4": 0.2, "IQ4": 0.2, "TQ": 1.0}
_LOWER_TYPES = 0.7
# Norms are not quantised; a record has six digits.
_NORM = 1e-3


class LayerRecord(BaseModel):
    """Weights of one layer, each to six digits; empty if the base has none of the kind.

    Attributes:
        layer: its number, from 0.
        norm: the first 256 weights of the norm before attention, which no GGUF quantises.
        down: the first 256 weights of each of two rows of the MLP's last matrix.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    layer: int
    norm: tuple[float, ...] = ()
    down: tuple[tuple[float, ...], ...] = ()


class BaseRecord(BaseModel):
    """`base.json`: the base's number of layers, and weights of four of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = 1
    layers: int
    kept: tuple[LayerRecord, ...]


def record_of(folder: Path) -> BaseRecord | None:
    """Return the record of a Hugging Face folder; None without safetensors that have such layers.

    Reads a few kilobytes, however large the model is.
    """
    places = _places(folder)
    numbers = sorted({layer for layer, _ in places})
    if not numbers:
        return None
    last = len(numbers) - 1
    chosen = sorted({round(last * i / (_LAYERS - 1)) for i in range(_LAYERS)})
    kept = tuple(_layer(numbers[i], places) for i in chosen)
    return BaseRecord(layers=len(numbers), kept=kept)


def keep_record(root: Path, folder: Path | None) -> None:
    """Write the record into a new run's folder; compare it in a resumed run.

    Args:
        root: the run's folder.
        folder: the base's, None if it is not on this machine.

    Raises:
        UserError: the run began on another base.
    """
    path = root / FILE
    made = record_of(folder) if folder else None
    if made is None:
        return
    known = read_record(root)
    if known is None:
        write_text(path, made.model_dump_json() + "\n")
    elif known != made:
        raise UserError(
            f"{root} began on another base than {folder} is now: resume it with the weights that "
            "it began on, or start a new run"
        )


def read_record(root: Path) -> BaseRecord | None:
    """Return the record in a run's folder; None in a run from before records were kept.

    Raises:
        UserError: the file is damaged.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        return BaseRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as err:
        reason = str(err).splitlines()[0]
        raise UserError(f"{path} is damaged ({reason}): remove it to export unchecked") from None


def check_right_base(record: BaseRecord, base: Path) -> None:
    """Check that a GGUF, of whatever type, is the model that a run was trained on.

    Raises:
        UserError: it has another number of layers, other norms, or weights further off than its
            type explains.
    """
    reader = gguf_reader(base)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    layers = len({name.split(".")[1] for name in tensors if name.startswith("blk.")})
    if layers != record.layers and not _has_extra_layers(reader):
        raise _wrong(base, f"{layers} layers, the base of this run {record.layers}")
    for kept in record.kept:
        _check_norm(kept, tensors.get(f"blk.{kept.layer}.attn_norm.weight"), base)
    _check_down(record, tensors, base)


def _places(folder: Path) -> dict[tuple[int, str], tuple[Path, str]]:
    """Map (layer, part) to its safetensors file and its name there."""
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                match = _PART.search(name)
                if match and "vision" not in name:
                    found[int(match[1]), match[2]] = (path, name)
    return found


def _layer(number: int, places: dict[tuple[int, str], tuple[Path, str]]) -> LayerRecord:
    norm = _floats(places.get((number, "input_layernorm")))
    down = _floats(places.get((number, "mlp.down_proj")))
    return LayerRecord(
        layer=number,
        norm=tuple(_round(norm[:_COLUMNS])) if norm is not None else (),
        down=tuple(tuple(_round(row[:_COLUMNS])) for row in down[:_ROWS])
        if down is not None
        else (),
    )


def _floats(place: tuple[Path, str] | None) -> Any:
    """Return the first rows of a tensor in float32; None if it is missing or quantised."""
    import torch
    from safetensors import safe_open

    if place is None:
        return None
    path, name = place
    with safe_open(path, "pt") as file:
        rows = file.get_slice(name)[: _COLUMNS if "norm" in name else _ROWS]
    return rows.float() if rows.dtype in (torch.float32, torch.float16, torch.bfloat16) else None


def _round(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]


def _wrong(base: Path, what: str) -> UserError:
    return UserError(
        f"base {base} is not the model that this run was trained on: it has {what}; take a GGUF "
        "of the same weights (umi export RUN --base FILE)"
    )


def _has_extra_layers(reader: Any) -> bool:
    """True if it has layers that predict tokens ahead, which transformers leaves out."""
    return any(key.endswith(".nextn_predict_layers") for key in reader.fields)


def _check_norm(kept: LayerRecord, tensor: Any, base: Path) -> None:
    import numpy as np

    if tensor is None or not kept.norm or tensor.tensor_type.name != "F32":
        return
    own, deployed = np.array(kept.norm), np.asarray(tensor.data, np.float32)[: len(kept.norm)]
    if len(own) != len(deployed):
        raise _wrong(base, "layers of another width")
    # Gemma's weights are stored less 1, and llama.cpp's with it.
    apart = min(_distance(own, deployed), _distance(own + 1, deployed))
    if apart > _NORM:
        raise _wrong(base, f"other norms in layer {kept.layer} ({apart:.2g} apart)")


def _check_down(record: BaseRecord, tensors: dict[str, Any], base: Path) -> None:
    import numpy as np

    found: list[Any] = []
    names: set[str] = set()
    for kept in record.kept:
        tensor = tensors.get(f"blk.{kept.layer}.ffn_down.weight")
        if tensor is None or not kept.down:
            continue
        own, deployed = np.array(kept.down), _rows(tensor, len(kept.down), len(kept.down[0]))
        if own.shape != deployed.shape:
            raise _wrong(base, "layers of another width")
        found.append((own, deployed))
        names.add(tensor.tensor_type.name)
    if not found:
        return
    apart = _distance(*(np.concatenate(side) for side in zip(*found, strict=True)))
    if not apart <= max(map(_allowed, names)):
        types = ", ".join(sorted(names))
        raise _wrong(base, f"other weights ({apart:.2g} apart, more than {types} explains)")


def _rows(tensor: Any, rows: int, columns: int) -> Any:
    from gguf.quants import dequantize

    return dequantize(tensor.data[:rows], tensor.tensor_type)[:, :columns]


def _allowed(type_name: str) -> float:
    return next((v for k, v in _BY_TYPE.items() if type_name.startswith(k)), _LOWER_TYPES)


def _distance(own: Any, other: Any) -> float:
    """Return the root of summed squares of the difference, relative to the first."""
    import numpy as np

    return float(np.linalg.norm(own - other) / max(np.linalg.norm(own), 1e-12))
