"""What a run was trained on: a few of the base's weights, kept in the run as `base.json`.

`umi export` compares them with the base GGUF (`bundle.right_base`): another model of the same shape
takes the adapters without an error.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from umi_lite.errors import UserError
from umi_lite.files import write_text

FILE = "base.json"
_PART = re.compile(r"(?:^|\.)layers\.(\d+)\.(input_layernorm|mlp\.down_proj)\.weight$")
_LAYERS, _ROWS, _COLUMNS = 4, 2, 256  # 256: a block of llama.cpp's K types


class LayerRecord(BaseModel):
    """Weights of one layer, each to six digits; empty where the base has none of the kind.

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
    """The record of a Hugging Face folder; None where it has no safetensors with such layers.

    Reads some kilobytes, however large the model is.
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
    """Write the record into a new run's folder; compare it in a run that is resumed.

    Args:
        root: the run's folder.
        folder: the base's, None where it is not on this machine.

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
            "it began on, or begin a new run"
        )


def read_record(root: Path) -> BaseRecord | None:
    """The record in a run's folder; None in a run of before records were kept.

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


def _places(folder: Path) -> dict[tuple[int, str], tuple[Path, str]]:
    """(layer, part) -> its safetensors file and its name there."""
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
    """The first rows of a tensor in float32; None where there is none, or it is quantised."""
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
