"""A base GGUF is recognised in every type, and another model of the same shape is refused."""

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
import tiny_gguf
from tiny_gguf import write_tiny

from umi_lite.engine.library import library
from umi_lite.errors import UserError
from umi_lite.weights.base_record import (
    FILE,
    BaseRecord,
    check_right_base,
    keep_record,
    read_record,
    record_of,
)
from umi_lite.weights.embedded import embedded_gguf
from umi_lite.weights.gguf_to_hf import hf_folder

TYPES = ["F16", "Q8_0", "Q6_K", "Q5_0", "Q5_K_M", "Q4_0", "Q4_K_M", "Q3_K_S", "Q2_K"]


def requantized(source: Path, target: Path, kind: str) -> Path:
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.allow_requantize, params.nthread = True, 1
    files = (os.fsencode(source), os.fsencode(target))
    assert lib.llama_model_quantize(*files, ctypes.byref(params)) == 0
    return target


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of one shape, wide enough for llama.cpp's K types."""
    folder = tmp_path_factory.mktemp("wide")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"WIDTH": 512, "INNER": 512, "HEADS": 16, "KV_HEADS": 8}.items():
            patch.setattr(tiny_gguf, name, value)
        models = (write_tiny(folder / f"{seed}.gguf", seed=seed) for seed in (0, 1))
        return next(models), next(models)


@pytest.fixture(scope="module")
def record(wide: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> BaseRecord:
    made = record_of(hf_folder(wide[0], tmp_path_factory.mktemp("cache")))
    assert made is not None and made.layers == 2
    return made


@pytest.mark.parametrize("kind", TYPES)
def test_the_right_base_is_taken_and_another_refused_in_each_type(
    kind: str, wide: tuple[Path, Path], record: BaseRecord, tmp_path: Path
) -> None:
    right, other = (requantized(m, tmp_path / f"{m.stem}.gguf", kind) for m in wide)
    check_right_base(record, right)
    with pytest.raises(UserError, match=r"1.gguf is not the model .* other weights \(1\.\d+ apart"):
        check_right_base(record, other)


def test_the_embedded_model_is_itself(base_hf: Path) -> None:
    made = record_of(base_hf)
    assert made is not None and made.layers == 30
    check_right_base(made, embedded_gguf())


def test_other_norms_are_refused_however_coarse_the_weights(
    wide: tuple[Path, Path], record: BaseRecord, tmp_path: Path
) -> None:
    """What training moves by a hundredth is more than a norm's rounding."""
    moved = [k.model_copy(update={"norm": tuple(1.01 * x for x in k.norm)}) for k in record.kept]
    other = record.model_copy(update={"kept": tuple(moved)})
    low = requantized(wide[0], tmp_path / "low.gguf", "Q2_K")
    with pytest.raises(UserError, match=r"other norms in layer 0 \(0\.0099 apart\)"):
        check_right_base(other, low)
    # Gemma's are kept less 1.
    less = [k.model_copy(update={"norm": tuple(x - 1 for x in k.norm)}) for k in record.kept]
    check_right_base(record.model_copy(update={"kept": tuple(less)}), low)


def test_other_shapes_are_refused_by_name(record: BaseRecord, wide: tuple[Path, Path]) -> None:
    more = record.model_copy(update={"layers": 3})
    with pytest.raises(UserError, match="it has 2 layers, the base of this run 3"):
        check_right_base(more, wide[0])
    short = [k.model_copy(update={"norm": (), "down": ((1.0,) * 700,)}) for k in record.kept]
    with pytest.raises(UserError, match="layers of another width"):
        check_right_base(record.model_copy(update={"kept": tuple(short)}), wide[0])


def test_a_record_is_kept_once_and_another_base_stops_a_resumed_run(
    wide: tuple[Path, Path], record: BaseRecord, tmp_path: Path
) -> None:
    one, other = (hf_folder(model, tmp_path / "cache") for model in wide)
    keep_record(tmp_path, None)
    assert read_record(tmp_path) is None
    keep_record(tmp_path, one)
    keep_record(tmp_path, one)
    assert read_record(tmp_path) == record
    with pytest.raises(UserError, match="began on another base"):
        keep_record(tmp_path, other)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(UserError, match=f"{FILE} is damaged"):
        read_record(tmp_path)


def test_sixteen_bit_weights_and_bare_folders(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    assert record_of(tmp_path) is None
    name = "model.language_model.layers.0.mlp.down_proj.weight"
    tensors = {name: torch.full((4, 300), 0.5, dtype=torch.bfloat16)}
    tensors["model.vision.layers.7.mlp.down_proj.weight"] = torch.ones(4, 300)
    tensors["model.layers.1.input_layernorm.weight"] = torch.ones(8, dtype=torch.uint8)
    save_file(tensors, tmp_path / "model.safetensors")
    made = record_of(tmp_path)
    assert made is not None and made.layers == 2
    assert np.array(made.kept[0].down).shape == (2, 256) and made.kept[1].norm == ()
