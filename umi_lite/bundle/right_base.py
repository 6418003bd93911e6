"""Is a base GGUF the model that a run was trained on, in whatever type it is?

Weights are compared, not logits: of SmolLM2-135M, Q2_K moves the logits as far as another model
may, while its weights stay far closer to the original than those of any other model.
"""

from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.weights.base_record import BaseRecord, LayerRecord
from umi_lite.weights.gguf_to_hf import read_gguf

# Relative distance of weights (root of summed squares) that a type may make, by the bits in its
# name; measured in docs/decisions.md. Two models that were trained apart are 1.4 from each other.
_BY_TYPE = {"F32": 0.01, "F16": 0.01, "BF16": 0.01, "Q8": 0.02, "Q6": 0.06, "Q5": 0.12}
_BY_TYPE |= {"Q4": 0.2, "IQ4": 0.2, "TQ": 1.0}
_LOWER_TYPES = 0.7
# Norms are not quantised; a record has six digits.
_NORM = 1e-3


def check_right_base(record: BaseRecord, base: Path) -> None:
    """Compare a run's record with a GGUF.

    Raises:
        UserError: another number of layers, other norms, or weights further off than the GGUF's
            type explains.
    """
    reader = read_gguf(base)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    layers = len({name.split(".")[1] for name in tensors if name.startswith("blk.")})
    if layers != record.layers and not _has_extra_layers(reader):
        raise _wrong(base, f"{layers} layers, the base of this run {record.layers}")
    for kept in record.kept:
        _check_norm(kept, tensors.get(f"blk.{kept.layer}.attn_norm.weight"), base)
    _check_down(record, tensors, base)


def _wrong(base: Path, what: str) -> UserError:
    return UserError(
        f"base {base} is not the model that this run was trained on: it has {what}; take a GGUF "
        "of the same weights (umi export RUN --base FILE)"
    )


def _has_extra_layers(reader: Any) -> bool:
    """True if some layers are there to predict tokens ahead, which transformers leaves out."""
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
    """Root of summed squares of the difference, relative to the first."""
    import numpy as np

    return float(np.linalg.norm(own - other) / max(np.linalg.norm(own), 1e-12))
