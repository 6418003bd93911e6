"""Bases that cannot be trained on: one line each, before anything is trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.forecast import forecast
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import train

STAGES = {"global": {"learning_rate": 1e-2, "batch": 1, "max_steps": 1}, "local": "none"}


def config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def small_embedding(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(1000)
    model.save_pretrained(folder)


def one_missing(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut short": (lambda f: cut(f / "model.safetensors"), "cannot be loaded: .*incomplete"),
    "weights that are not safetensors": (
        lambda f: (f / "model.safetensors").write_bytes(b"x" * 99),
        "cannot be loaded: ",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded: .*no file"),
    "one weight missing": (one_missing, r"incomplete: 1 are missing, model.layers.1.mlp.up_proj"),
    "an unknown architecture": (
        lambda f: config(f, model_type="nonesuch", architectures=["NoneSuch"]),
        "cannot be loaded: .*model type `nonesuch`",
    ),
    "other shapes": (
        lambda f: config(f, intermediate_size=96),
        "weights .* cannot be loaded: they have other shapes than its config.json says",
    ),
    "a damaged config": (lambda f: cut(f / "config.json"), "cannot be loaded: .*config.json"),
    "a damaged tokenizer": (
        lambda f: cut(f / "tokenizer.json"),
        "tokenizer of base .* cannot be loaded: ",
    ),
    "a damaged tokenizer config": (
        lambda f: cut(f / "tokenizer_config.json"),
        "cannot be loaded: ",
    ),
    "a small embedding": (small_embedding, r"embeddings for 1000 tokens, but .* id \d{4,5}: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_base_that_cannot_be_trained_on_is_one_line(
    kind: str, tiny: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    spoil, line = WRONG[kind]
    folder = shutil.copytree(tiny, tmp_path / "base")
    spoil(folder)
    recipe = tiny_recipe(base={"model": str(folder)}, stages=STAGES)
    with pytest.raises(UserError, match=line) as err:
        train(recipe, tmp_path / "run", reporter=Silent())
    text = str(err.value)
    assert "\n" not in text and text.endswith("name another folder or model (-o base.model=PATH)")
    assert not (tmp_path / "run" / "global" / "adapter").exists()


def test_a_dry_run_names_a_damaged_config_too(
    tiny: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny, tmp_path / "base")
    cut(folder / "config.json")
    with pytest.raises(UserError, match=r"config\.json of base .* cannot be loaded: "):
        forecast(tiny_recipe(base={"model": str(folder)}))
