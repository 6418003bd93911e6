"""Names in `lora.targets` that no adapter can be put on are refused before anything trains."""

from collections.abc import Callable
from pathlib import Path

import pytest

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.adapter import check_targets
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import train

THERE = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("query", "the base has no module 'query'; it has: "),
        ("proj", "the base has no module 'proj'; it has: "),
        ("lm_head", r"'lm_head' is lm_head \(Linear\)"),
        ("embed_tokens", r"'embed_tokens' is model.embed_tokens \(Embedding\)"),
        ("input_layernorm", r"'input_layernorm' is .*LlamaRMSNorm\)"),
        ("mlp", r"'mlp' is model.layers.0.mlp \(LlamaMLP\)"),
    ],
)
def test_what_no_adapter_fits_is_refused_with_what_there_is(
    target: str, told: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(lora={"targets": ["q_proj", target]})
    with pytest.raises(UserError, match=told) as err:
        check_targets(recipe, str(recipe.base.model))
    assert str(err.value).endswith(THERE)


def test_linear_layers_by_short_and_long_names_are_taken(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    named = ["q_proj", "mlp.down_proj", "model.layers.1.self_attn.o_proj"]
    recipe = tiny_recipe(lora={"targets": named})
    check_targets(recipe, str(recipe.base.model))


def test_training_stops_before_its_rows_are_made(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr("umi_lite.train.trainer.make_all", lambda *_: made.append(1))
    with pytest.raises(UserError, match="has no module 'c_attn'"):
        train(tiny_recipe(lora={"targets": ["c_attn"]}), tmp_path / "run", reporter=Silent())
    assert made == []
