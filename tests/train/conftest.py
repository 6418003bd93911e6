"""A two-layer Llama with SmolLM2's tokenizer: real code paths, seconds a run."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from umi_lite.recipe.schema import Recipe


@pytest.fixture(scope="module", autouse=True)
def without_bfcl() -> Iterator[None]:
    """Compare nothing with BFCL's 4,000 tasks: that takes longer than a small training does.

    `tests/data/test_bfcl.py` is about leaks of them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("umi_lite.data.bfcl.held_out", lambda: [])
        yield


@pytest.fixture(scope="session")
def tiny(base_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import peft
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base_hf / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        # PEFT fills in a form for each adapter that it saves; `train.job` removes it again.
        patch.setattr(peft.PeftModel, "create_or_update_model_card", lambda *_: None)
        yield folder


@pytest.fixture(scope="session")
def tiny_recipe(tiny: Path) -> Callable[..., Recipe]:
    """A recipe on the tiny base, changed by keyword."""

    def make(steps: int = 2, **changes: Any) -> Recipe:
        stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": steps}
        tree = {
            "name": "tiny",
            "base": {"model": str(tiny)},
            "data": [{"source": "toolworld", "split": "train", "n": 16}],
            "stages": {"global": stage, "local": stage},
            "packed_length": 384,
            "backend": "plain",
        }
        return Recipe.model_validate({**tree, **changes})

    return make
