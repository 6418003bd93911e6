"""Windows, caps and sinks: packed rows have the loss and gradients of the model's own attention."""

from typing import Any

import pytest
import torch
import windowed

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train import attention
from umi_lite.train.attention import NAME, check_config, register
from umi_lite.train.checks import check_loss
from umi_lite.train.collate import PackCollator, pack_inputs, weighted_loss
from umi_lite.train.device import Setting
from umi_lite.train.packs import Row, join_at_prefix, join_rows
from umi_lite.train.unsloth import cap_scores

FEATURED = ["gemma2", "gemma3", "mistral", "phi3", "gpt_oss", "qwen2_moe"]
SHARED = 20


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Three rows, longer than the window, with a common prefix; what follows it is trained."""
    chance = torch.Generator().manual_seed(3)

    def draw(count: int) -> list[int]:
        return torch.randint(3, windowed.VOCAB, (count,), generator=chance).tolist()

    prefix = draw(SHARED)
    made = []
    for number, size in enumerate((15, 17, 24), 1):
        made.append(
            Row(f"row-{number}", prefix + draw(size), [0.0] * SHARED + [1.0] * size, SHARED)
        )
    return made


def own(model: Any, rows: list[Row]) -> tuple[float, torch.Tensor]:
    """Summed loss and the gradient of the embeddings in the model's own attention."""
    model.set_attn_implementation("eager")
    total = torch.zeros(())
    for row in rows:
        ids = torch.tensor([row.ids])
        logits = model(input_ids=ids, use_cache=False).logits.float()[0, SHARED - 1 : -1]
        total = total + torch.nn.functional.cross_entropy(logits, ids[0, SHARED:], reduction="sum")
    return _result(model, total)


def packed(model: Any, rows: list[Row], join: Any) -> tuple[float, torch.Tensor]:
    model.set_attn_implementation(register())
    inputs = pack_inputs(join(rows))
    labels = inputs.pop("labels")
    return _result(model, weighted_loss(model(**inputs, use_cache=False), labels, 1))


def _result(model: Any, loss: torch.Tensor) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return loss.item(), model.get_input_embeddings().weight.grad.clone()


@pytest.mark.parametrize("join", [join_at_prefix, join_rows])
@pytest.mark.parametrize("name", FEATURED)
def test_packed_rows_have_the_models_own_loss_and_gradients(
    name: str, join: Any, rows: list[Row]
) -> None:
    model = windowed.make(name)
    (expected, slope), (got, got_slope) = own(model, rows), packed(model, rows, join)
    assert got == pytest.approx(expected, rel=1e-5)
    assert (slope - got_slope).abs().max() < 1e-4 * slope.abs().max()


@pytest.mark.parametrize("name", ["gemma2", "mistral", "gpt_oss"])
def test_the_features_matter(name: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the loss is another one: the equality above is not for free."""
    model = windowed.make(name)
    expected, _ = own(model, rows)
    _drop_features(monkeypatch)
    got, _ = packed(model, rows, join_at_prefix)
    assert abs(got - expected) > 1e-3 * expected


def _drop_features(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention.Features
    monkeypatch.setattr(
        attention, "Features", lambda scale, drop, *_: whole(scale, drop, None, None, None)
    )


def test_a_feature_that_is_not_computed_is_refused_by_name() -> None:
    module, x = torch.nn.Identity(), torch.ones(1, 2, 3, 4)
    attention.attend(module, x, x, x, None, position_bias=None, use_cache=False)
    with pytest.raises(UserError, match="Identity uses position_bias, which"):
        attention.attend(module, x, x, x, None, position_bias=torch.ones(1))
    with pytest.raises(UserError, match="uses is_causal=False"):
        attention.attend(module, x, x, x, None, is_causal=False)


def test_masks_that_are_no_windows_are_refused_by_name() -> None:
    from transformers import Gemma3TextConfig, Llama4TextConfig

    check_config(Gemma3TextConfig(), "b")
    with pytest.raises(UserError, match="base b uses attention in chunks"):
        check_config(Llama4TextConfig(layer_types=["chunked_attention"] * 48), "b")
    with pytest.raises(UserError, match="base b uses attention in both directions"):
        check_config(Gemma3TextConfig(use_bidirectional_attention=True), "b")


class _Adapted(torch.nn.Module):
    """As much of a PEFT model as the check needs."""

    def __init__(self, base: Any):
        super().__init__()
        base.set_attn_implementation(register())
        self.base = base

    def get_base_model(self) -> Any:
        return self.base

    def forward(self, **inputs: Any) -> Any:
        return self.base(**inputs)


def recipe(**changes: Any) -> Recipe:
    data = [{"source": "toolworld"}]
    return Recipe.model_validate({"name": "r", "data": data, "precision": "fp32", **changes})


PACKS = PackCollator(join_at_prefix)
FULL = Setting("cpu", "plain", "fp32", "adamw")


@pytest.mark.parametrize("name", [*FEATURED, "llama"])
def test_the_check_before_a_job_passes(name: str, rows: list[Row]) -> None:
    model = _Adapted(windowed.make(name)).train()
    check_loss(model, rows[0], PACKS, recipe(), FULL)
    assert model.base.config._attn_implementation == NAME and model.training


@pytest.mark.parametrize("name", ["gemma2", "mistral", "gpt_oss"])
def test_the_check_refuses_another_loss_with_both_figures(
    name: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _Adapted(windowed.make(name))
    _drop_features(monkeypatch)
    with pytest.raises(UserError, match=r"a loss of \d+\.\d{5} where .* gives \d+\.\d{5}, on"):
        check_loss(model, rows[0], PACKS, recipe(), FULL)


def test_a_base_that_packing_does_not_reach_trains_row_by_row(rows: list[Row]) -> None:
    model = _Adapted(windowed.make("stablelm"))
    with pytest.raises(UserError, match="set packing: none and micro_batch: 1"):
        check_loss(model, rows[0], PACKS, recipe(), FULL)
    check_loss(model, rows[0], PackCollator(join_rows), recipe(packing="none"), FULL)


def test_unsloth_gets_an_attention_that_caps_scores(rows: list[Row]) -> None:
    """transformers' sdpa, which Unsloth takes without flash attention, has another loss."""
    model = windowed.make("gemma2")
    model.set_attn_implementation("eager")
    ids = torch.tensor([rows[0].ids])
    expected = model(ids, labels=ids).loss
    model.set_attn_implementation("sdpa")
    assert abs(model(ids, labels=ids).loss - expected) > 1e-4 * expected
    cap_scores(model)
    assert model(ids, labels=ids).loss == expected
    plain = windowed.make("llama")
    plain.set_attn_implementation("sdpa")
    cap_scores(plain)
    assert plain.config._attn_implementation == "sdpa"
