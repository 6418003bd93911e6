"""What is trained from a GGUF is what llama.cpp runs: the same logits, or a refusal by name."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_gguf import llama3_factors, write_tiny

from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.train.tokenizer import load_language
from umi_lite.weights.gguf_to_hf import hf_folder

TEXT = "The quick brown fox jumps over the lazy dog; then the other one does it, too, 1234 times."
LLAMA31 = {"factor": 8.0, "low": 1.0, "high": 4.0, "context": 8192}
# The same rule with other bounds, within the text's length.
SHORT = {"factor": 4.0, "low": 1.0, "high": 4.0, "context": 256}


def llama_cpp(path: Path) -> np.ndarray:
    """Logits of all of the text's tokens."""
    with closing(Model(path)) as model:
        ids = model.encode(TEXT, special=False)
        context = Context(model, None, n_ctx=len(ids), slots=1, threads=1, n_batch=len(ids))
        with closing(context):
            context.decode([(token, i, 0, True) for i, token in enumerate(ids)])
            return np.stack([context.logits(i).copy() for i in range(len(ids))])


def transformers(folder: Path) -> np.ndarray:
    import torch
    from transformers import AutoModelForCausalLM

    ids = load_language(folder).tokenizer.encode(TEXT, special=False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square of the difference, relative to the logits' own spread."""
    return float(np.sqrt(((one - other) ** 2).mean()) / one.std())


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "biases": {"biases": ["q", "k", "v", "output"]},
    "biases of q, k and v": {"biases": ["q", "k", "v"]},
    "qwen2": {"arch": "qwen2", "pre": "qwen2", "biases": ["q", "k", "v"]},
    "linear scaling": {"meta": {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}},
    "llama 3.1": {"freqs": llama3_factors(**LLAMA31), "pre": "llama-bpe"},
    "other bounds": {"freqs": llama3_factors(**SHORT), "pre": "llama-bpe"},
}


@pytest.mark.parametrize("case", CASES)
def test_logits_are_llama_cpps(case: str, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf", **CASES[case])
    expected = llama_cpp(path)
    got = transformers(hf_folder(path, tmp_path / "cache"))
    assert expected.shape == got.shape
    assert apart(expected, got) < 1e-3  # the KV cache is f16


@pytest.mark.parametrize("case", ["biases", "linear scaling", "other bounds"])
def test_each_of_them_changes_the_logits(case: str, tmp_path: Path) -> None:
    """Else the equality above would hold without reading them."""
    features = {key: value for key, value in CASES[case].items() if key != "pre"}
    plain = llama_cpp(write_tiny(tmp_path / "plain.gguf"))
    without = [write_tiny(tmp_path / "m.gguf", **features)]
    assert apart(plain, llama_cpp(without[0])) > 0.02


def test_llama_31s_parameters_are_found_again(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf", freqs=llama3_factors(**LLAMA31))
    folder = hf_folder(path, tmp_path / "cache")
    rope = json.loads((folder / "config.json").read_text())["rope_parameters"]
    assert rope["rope_type"] == "llama3" and rope["original_max_position_embeddings"] == 8192
    found = (rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"])
    assert found == pytest.approx((8, 1, 4))


ODD = np.linspace(1, 3, 16, dtype=np.float32) ** 2


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"arch": "gemma2"}, "is of architecture 'gemma2', not llama, qwen2"),
        ({"freqs": ODD}, "has factors of rotary frequencies"),
        ({"meta": {"rope.scaling.type": "yarn"}}, "has rotary positions scaled by 'yarn'"),
        ({"meta": {"attention.sliding_window": 32}}, "has llama.attention.sliding_window 32"),
        ({"meta": {"expert_count": 8}}, "has llama.expert_count 8"),
        ({"tensors": ["blk.0.attn_q_norm.weight"]}, "has a tensor blk.0.attn_q_norm.weight"),
        ({"tensors": ["blk.0.ffn_norm.bias"]}, "has a tensor blk.0.ffn_norm.bias"),
        ({"arch": "qwen2", "biases": ["output"]}, "has biases on o_proj"),
        ({"pre": "tekken"}, "has a pre-tokenizer 'tekken'"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    case: dict[str, Any], told: str, tmp_path: Path
) -> None:
    path = write_tiny(tmp_path / "m.gguf", **case)
    with pytest.raises(UserError, match=rf"m.gguf {told}.*: name the HF model in base.model$"):
        hf_folder(path, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*")) == []


@pytest.mark.parametrize("pre", ["gpt-2", "smollm", "llama-bpe", "qwen2"])
def test_ids_are_llama_cpps(pre: str, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf", pre=pre)
    tokenizer = load_language(hf_folder(path, tmp_path / "cache")).tokenizer
    text = "It's the 1234th.\r\n\n  Über 5,000 €!?  don'T <tool_call>{\"a\": 1}<|im_end|>\t  x"
    with closing(Model.vocabulary(path)) as model:
        for special in (False, True):
            expected = model.encode(text, special=special)
            assert tokenizer.encode(text, special=special) == expected
