"""The base from its GGUF: the weights and the tokenizer that llama.cpp has."""

import json
from pathlib import Path

import pytest
from studies import study

from umi_lite.errors import UserError
from umi_lite.weights.embedded import embedded_gguf
from umi_lite.weights.gguf_to_hf import hf_folder


def test_the_folder_loads_as_an_ordinary_model(base_hf: Path) -> None:
    from safetensors import safe_open

    config = json.loads((base_hf / "config.json").read_text())
    assert "quantization_config" not in config
    assert (config["eos_token_id"], config["tie_word_embeddings"]) == (2, True)
    told = json.loads((base_hf / "tokenizer_config.json").read_text())
    assert told["eos_token"] == "<|im_end|>" and "im_start" in told["chat_template"]
    with safe_open(base_hf / "model.safetensors", "np") as tensors:
        assert len(list(tensors.keys())) == 272


@study
def test_weights_equal_what_transformers_dequantises(base_gguf: Path, base_hf: Path) -> None:
    """q and k among them, whose rows llama.cpp keeps in another order."""
    import torch
    from transformers import AutoModelForCausalLM

    ours = AutoModelForCausalLM.from_pretrained(base_hf, dtype=torch.float32).state_dict()
    theirs = AutoModelForCausalLM.from_pretrained(
        base_gguf.parent, gguf_file=base_gguf.name, dtype=torch.float32
    ).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_is_made_once(base_gguf: Path, base_hf: Path) -> None:
    made: list[Path] = []
    assert hf_folder(base_gguf, base_hf.parent, on_start=made.append) == base_hf
    assert made == []
    assert list(base_hf.parent.glob(".making*")) == []


def test_a_file_that_is_no_whole_gguf_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    foreign, cut = tmp_path / "foreign.gguf", tmp_path / "cut.gguf"
    foreign.write_bytes(b"PK\x03\x04 a zip file")
    cut.write_bytes(embedded_gguf().read_bytes()[:5_000_000])
    for path, told in (
        (tmp_path / "none.gguf", "no such base model file"),
        (foreign, "not a GGUF file"),
        (cut, "truncated or damaged"),
    ):
        with pytest.raises(UserError, match=told):
            hf_folder(path, cache)
    assert list(cache.glob("*")) == []
