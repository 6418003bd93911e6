"""Other types of the base, and an adapter merged into it, compute what they should."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.weights.hf_to_gguf import convert_loras
from umi_lite.weights.merge_hf import merge_adapter
from umi_lite.weights.quantize import requantize

TEXT = "<|im_start|>user\nWhat is 12 * 34?<|im_end|>\n<|im_start|>assistant\n"


def logits(base: Path, adapter: Path | None = None) -> np.ndarray:
    """float32 [n_vocab] after TEXT."""
    with closing(Model(base)) as model:
        ids = model.encode(TEXT, special=True)
        lora = model.adapter(adapter) if adapter else None
        context = Context(model, lora, n_ctx=256, slots=1, threads=2, n_batch=len(ids))
        with closing(context):
            context.decode([(t, i, 0, i == len(ids) - 1) for i, t in enumerate(ids)])
            return context.logits(len(ids) - 1).copy()


@pytest.fixture(scope="module")
def f16(base_gguf, tmp_path_factory) -> Path:
    """The base dequantised: what merging begins from."""
    path = tmp_path_factory.mktemp("f16") / "base.F16.gguf"
    requantize(base_gguf, path, "F16")
    return path


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def test_a_merged_model_is_base_and_adapter(run_dir, base_hf, f16, f32_gguf, tmp_path):
    """Against base and adapter in F32, a merged F16 model errs as an F16 base with the adapter.

    How much rounding to F16 changes logits depends on the processor's kernels, so it is measured
    here and not assumed.
    """
    folder = run_dir / "planner" / "adapter"
    lora = convert_loras({"planner": folder}, base_hf, tmp_path, outtype="f32")["planner"]
    merge_adapter(base_hf, folder, tmp_path / "planner.merged.gguf")
    right = logits(f32_gguf, lora)
    rounding = rms(logits(f16, lora) - right)
    effect = rms(right - logits(f32_gguf))
    assert rms(logits(tmp_path / "planner.merged.gguf") - right) < 2 * rounding
    # Else a merge at half the scale would pass.
    assert 2 * rounding < 0.2 * effect
    with closing(Model(tmp_path / "planner.merged.gguf")) as one, closing(Model(f16)) as other:
        assert one.chat_template == other.chat_template
        assert one.encode(TEXT + "é 123", special=True) == other.encode(
            TEXT + "é 123", special=True
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["planner.gguf", "planner.merged.gguf"]


def test_q8_is_smaller_and_near(f16, tmp_path):
    requantize(f16, tmp_path / "q8.gguf", "Q8_0")
    assert (tmp_path / "q8.gguf").stat().st_size < 0.6 * f16.stat().st_size
    difference = np.abs(logits(tmp_path / "q8.gguf") - logits(f16)).max()
    assert 0 < difference < 1


def test_q4_k_m_loads(base_gguf, tmp_path):
    requantize(base_gguf, tmp_path / "q4.gguf", "Q4_K_M")
    Model(tmp_path / "q4.gguf").close()


def test_what_cannot_be_made_again(base_gguf, tmp_path, bundle):
    target = tmp_path / "out.gguf"
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(b"PK\x03\x04")
    cut = tmp_path / "cut.gguf"
    with base_gguf.open("rb") as file:
        cut.write_bytes(file.read(base_gguf.stat().st_size // 2))
    for source, words in [
        (tmp_path / "none.gguf", "No such file"),
        (foreign, "is not a GGUF file"),
        (cut, "cut.gguf cannot be loaded"),
        (bundle.adapters["planner"], "planner.gguf cannot be loaded"),
    ]:
        with pytest.raises(UserError, match=words):
            requantize(source, target, "Q8_0")
    with pytest.raises(UserError, match="it can be F16, Q8_0, Q4_K_M"):
        requantize(base_gguf, target, "Q3")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.gguf", "foreign.gguf"]


def test_merging_what_is_no_base(run_dir, tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        merge_adapter(tmp_path, run_dir / "planner" / "adapter", tmp_path / "x" / "m.gguf")
    assert not list((tmp_path / "x").iterdir())
