"""An adapter merged into a base computes what base and adapter compute."""

from pathlib import Path

import numpy as np
import pytest
from test_merge_hf import logits

from umi_lite.bundle.merge import can_merge, kept_merge, merge
from umi_lite.engine.engine import Engine
from umi_lite.engine.gguf import read_gguf
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.weights.gguf_to_hf import GgufType
from umi_lite.weights.hf_to_gguf import convert_loras
from umi_lite.weights.quantize import requantize


@pytest.fixture(scope="module")
def bases(base_gguf, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    kinds: tuple[GgufType, ...] = ("F16", "Q8_0", "Q4_K_M")
    for kind in kinds:
        requantize(base_gguf, folder / f"base.{kind}.gguf", kind)
    return {kind: folder / f"base.{kind}.gguf" for kind in kinds}


@pytest.fixture(scope="module")
def lora(run_dir, base_hf, tmp_path_factory) -> Path:
    folder = run_dir / "planner" / "adapter"
    return convert_loras({"planner": folder}, base_hf, tmp_path_factory.mktemp("l"))["planner"]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


def test_merged_weights_are_base_and_adapter(bases, lora, tmp_path):
    merge(bases["F16"], lora, tmp_path / "merged.gguf")
    adapted, plain = logits(bases["F16"], lora), logits(bases["F16"])
    # F16 rounds the merged weights; a wrong scale would be off by half and more.
    assert distance(logits(tmp_path / "merged.gguf"), adapted) < 0.04 * distance(adapted, plain)
    assert [p.name for p in tmp_path.iterdir()] == ["merged.gguf"]


def test_q8_is_quantised_as_finely_as_llama_cpp_does(bases, lora, tmp_path):
    merge(bases["Q8_0"], lora, tmp_path / "merged.gguf")
    merge(bases["F16"], lora, tmp_path / "exact.gguf")
    requantize(tmp_path / "exact.gguf", tmp_path / "theirs.gguf", "Q8_0")
    exact = logits(tmp_path / "exact.gguf")
    theirs = distance(logits(tmp_path / "theirs.gguf"), exact)
    assert distance(logits(tmp_path / "merged.gguf"), exact) < 1.5 * theirs


def test_a_type_that_cannot_be_written_is_refused(bases, lora, tmp_path):
    assert can_merge(bases["F16"]) and can_merge(bases["Q8_0"]) and not can_merge(bases["Q4_K_M"])
    with pytest.raises(UserError, match="merging needs F32, F16 or Q8_0"):
        merge(bases["Q4_K_M"], lora, tmp_path / "merged.gguf")
    assert not list(tmp_path.iterdir())


def test_a_foreign_adapter_is_refused(bases, tmp_path):
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "foreign.gguf", "llama")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for half, shape in (("a", (4, 64)), ("b", (64, 4))):
        writer.add_tensor(f"blk.0.attn_q.weight.lora_{half}", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UserError, match=r"does not fit base.F16.gguf: blk.0.attn_q.weight"):
        merge(bases["F16"], tmp_path / "foreign.gguf", tmp_path / "merged.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["foreign.gguf"]


def test_an_engine_runs_merged_views_as_it_runs_adapters(bases, lora, tmp_path):
    made = kept_merge(bases["F16"], lora, tmp_path, "base lora")
    inode = made.stat().st_ino
    assert kept_merge(bases["F16"], lora, tmp_path, "base lora") == made
    assert made.stat().st_ino == inode
    assert kept_merge(bases["F16"], lora, tmp_path, "base other") != made
    said = []
    for adapter, models in ((lora, {}), (None, {"planner": made})):
        with Engine(bases["F16"], {"planner": adapter}, models=models, n_ctx=256) as engine:
            words = engine.language("planner")
            ids = words.encode("<|im_start|>user\nHi<|im_end|>\n", special=True)
            said.append(engine.generate(Request("planner", ids, max_tokens=12)).ids)
    assert said[0] == said[1]


def test_the_header_tells_where_tensors_are(bases):
    import gguf

    _, tensors = read_gguf(bases["Q8_0"], "base")
    told = {(t.name, t.shape, t.type, t.start) for t in tensors}
    reader = gguf.GGUFReader(bases["Q8_0"])
    there = {
        (t.name, tuple(t.shape.tolist()[::-1]), int(t.tensor_type), t.data_offset)
        for t in reader.tensors
    }
    assert told == there
