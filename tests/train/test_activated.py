"""An adapter that acts on own turns: loss and gradients are those of the definition."""

from pathlib import Path
from typing import Any

import pytest
import torch
import windowed

from umi_lite.data import toolworld
from umi_lite.errors import UserError
from umi_lite.train.activated import OwnTurns, read
from umi_lite.train.attention import NAME, register
from umi_lite.train.collate import weighted_loss
from umi_lite.train.contexts import Contexts, ContextStore, Turn, context_of, seen_of, turns
from umi_lite.train.lower import count_lower
from umi_lite.train.packs import Row
from umi_lite.train.samples import make_rows
from umi_lite.train.tokenizer import load_language

LENGTH = 600
ALL, UPPER = "all-linear", r".*\.layers\.[1-9]\..*_proj"
LAYERS = ["all layers", "not the first layer"]
WINDOWED = ["gemma2", "gemma3", "mistral", "phi3", "gpt_oss", "qwen2_moe", "llama"]


def adapted(base: Any, std: float = 0.2, modules: str = ALL) -> Any:
    """A PEFT model whose adapter changes what it computes; `std` 0 is a fresh one."""
    from peft import LoraConfig, get_peft_model

    base.set_attn_implementation(register())
    made = get_peft_model(base, LoraConfig(r=4, target_modules=modules, task_type="CAUSAL_LM"))
    torch.manual_seed(1)
    for name, weight in made.named_parameters():
        if "lora_" in name and std:
            torch.nn.init.normal_(weight, std=std)
    return made


def tiny_model(tiny: Path, std: float = 0.2, modules: str = ALL) -> Any:
    from transformers import AutoModelForCausalLM

    return adapted(AutoModelForCausalLM.from_pretrained(tiny), std, modules)


@pytest.fixture(scope="module", params=[ALL, UPPER], ids=LAYERS)
def model(tiny: Path, request: pytest.FixtureRequest) -> Any:
    return tiny_model(tiny, modules=request.param)


@pytest.fixture(scope="module")
def by_role(tiny: Path) -> dict[str, list[Row]]:
    """All roles' rows of some trajectories, the planner's decisions weighing more."""
    data, language = toolworld.load("train", 16, 0).trajectories, load_language(tiny)
    return {
        role: make_rows(
            data, role, language, max_length=1024, transcript="backbone", decision_weight=3.0
        ).rows
        for role in ("planner", "caller", "summarizer")
    }


@pytest.fixture
def contexts(by_role: dict[str, list[Row]]) -> Contexts:
    return Contexts(list(by_role.values()), length=LENGTH, seed=0)


def gradients(model: Any) -> dict[str, Any]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def trained(
    model: Any, batches: list[list[Row]], contexts: Contexts, store: ContextStore | None = None
) -> tuple[float, dict[str, Any]]:
    collator, total = OwnTurns(contexts, store or ContextStore(0)), 0.0
    for rows in batches:
        inputs = collator.before(model, collator.inputs(rows))
        labels = inputs.pop("labels")
        loss = weighted_loss(model(**inputs, use_cache=False), labels, 1)
        loss.backward()
        total += loss.item()
    return total, gradients(model)


def defined(model: Any, rows: list[Row]) -> tuple[float, dict[str, Any]]:
    """By definition, in the base's own attention: for each turn its context is read by the model
    without the adapter, then the turn's positions with it, after the context's cache."""
    base = model.get_base_model()
    base.set_attn_implementation("eager")
    total = 0.0
    for row in rows:
        for turn in turns(row):
            past = None
            if turn.start:
                with torch.no_grad(), model.disable_adapter():
                    ids = torch.tensor([row.ids[: turn.start]])
                    past = model(input_ids=ids, use_cache=True).past_key_values
            own = torch.tensor([row.ids[turn.start : turn.stop]])
            places = torch.arange(turn.start, turn.stop)[None]
            out = model(input_ids=own, past_key_values=past, position_ids=places, use_cache=True)
            wanted = torch.tensor(row.ids[turn.start + 1 : turn.stop + 1])
            weights = torch.tensor(row.weights[turn.start + 1 : turn.stop + 1])
            losses = torch.nn.functional.cross_entropy(
                out.logits[0].float(), wanted, reduction="none"
            )
            loss = (losses * weights).sum()
            loss.backward()
            total += loss.item()
    base.set_attn_implementation(NAME)
    return total, gradients(model)


def same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-5) -> None:
    assert one.keys() == other.keys() and one
    largest = max(gradient.abs().max().item() for gradient in one.values())
    assert largest > 0
    for name, gradient in one.items():
        assert (gradient - other[name]).abs().max().item() < tolerance * largest, name


def test_turns_are_runs_of_trained_tokens_one_position_earlier() -> None:
    row = Row("r", list(range(10)), [0, 0, 0, 1, 1, 0, 3, 0, 0, 1], 2)
    assert turns(row) == [Turn(2, 4), Turn(5, 6), Turn(8, 9)]
    assert context_of(row).ids == list(range(9)) and context_of(row).trained == 0
    assert seen_of(row) == 8


@pytest.mark.parametrize("role", ["planner", "caller", "summarizer"])
def test_loss_and_gradients_are_those_of_the_definition(
    role: str, model: Any, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    packs = contexts.items(by_role[role], 0)
    begun = [contexts.beginning(pack.context) is not None for pack in packs]
    assert any(begun) and not all(begun)
    rows = [row for pack in packs for row in pack.rows]
    assert sorted(row.name for row in rows) == sorted(row.name for row in by_role[role])
    assert max(len(pack.rows) for pack in packs) >= 2
    expected, slopes = defined(model, rows)
    got, got_slopes = trained(model, [pack.rows for pack in packs], contexts)
    assert got == pytest.approx(expected, rel=1e-5)
    same(slopes, got_slopes)


def test_packs_train_as_their_rows_do_alone(
    model: Any, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    packs = contexts.items(by_role["planner"], 0)
    together = trained(model, [pack.rows for pack in packs], contexts)
    alone = trained(model, [[row] for pack in packs for row in pack.rows], contexts)
    assert together[0] == pytest.approx(alone[0], rel=1e-5)
    same(together[1], alone[1])


def test_a_fresh_adapter_has_the_loss_of_the_model_under_it(
    tiny: Path, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    from transformers import AutoModelForCausalLM

    rows = by_role["planner"]
    got, slopes = trained(tiny_model(tiny, std=0.0), [rows[:3], rows[3:]], contexts)
    base, expected = AutoModelForCausalLM.from_pretrained(tiny), 0.0
    for row in rows:
        ids, weights = torch.tensor([row.ids]), torch.tensor(row.weights[1:])
        with torch.no_grad():
            logits = base(ids).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        expected += (losses * weights).sum().item()
    assert got == pytest.approx(expected, rel=1e-5)
    assert any(slope.abs().max() > 0 for slope in slopes.values())


def test_only_own_positions_use_the_adapter(
    model: Any, tiny: Path, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    """The loss is another one where the adapter reads the context too: it acts, but only there."""
    rows = by_role["planner"][:4]
    got, _ = trained(model, [rows], contexts)
    whole = 0.0
    for row in rows:
        ids, weights = torch.tensor([row.ids]), torch.tensor(row.weights[1:])
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        whole += (losses * weights).sum().item()
    fresh, _ = trained(tiny_model(tiny, std=0.0), [rows], contexts)
    assert abs(got - whole) > 1e-4 * whole and abs(got - fresh) > 1e-4 * fresh


@pytest.mark.parametrize("modules", [ALL, UPPER], ids=LAYERS)
@pytest.mark.parametrize("name", WINDOWED)
def test_windows_caps_and_sinks_are_the_models_own(name: str, modules: str) -> None:
    model = adapted(windowed.make(name), std=0.05, modules=modules)
    rows = drawn_rows()
    contexts = Contexts([rows], length=200, seed=0)
    assert len(contexts.packs) == 1
    expected, slopes = defined(model, rows)
    got, got_slopes = trained(model, [rows], contexts)
    assert got == pytest.approx(expected, rel=1e-5)
    same(slopes, got_slopes, 1e-4)


def test_a_base_whose_layers_pass_nothing_on_is_refused() -> None:
    rows = drawn_rows()
    contexts = Contexts([rows], length=200, seed=0)
    with pytest.raises(UserError, match=r"set stages\.local\.adapters: continued"):
        trained(adapted(windowed.make("stablelm")), [rows], contexts)


def drawn_rows() -> list[Row]:
    """Three rows with a common prefix and turns on both sides of a window's length."""
    chance = torch.Generator().manual_seed(3)

    def draw(count: int) -> list[int]:
        return torch.randint(3, windowed.VOCAB, (count,), generator=chance).tolist()

    prefix, made = draw(20), []
    for number, size in enumerate((25, 28, 36), 1):
        own = [float(i % 16 in range(4, 12)) for i in range(size - 1)] + [1.0]
        made.append(Row(f"row-{number}", prefix + draw(size), [0.0] * 20 + own, 20))
    return made


def test_kept_contexts_change_nothing_not_even_a_bit(
    model: Any, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    """The caller's job finds what the planner's has read."""
    store = ContextStore(1 << 30)
    for role in ("planner", "caller"):
        batches = [pack.rows for pack in contexts.items(by_role[role], 0)]
        plain = trained(model, batches, contexts)
        kept = trained(model, batches, contexts, store)
        assert kept[0] == plain[0]
        assert all(torch.equal(plain[1][name], kept[1][name]) for name in plain[1])
    assert all(store.find(item.context) for item in contexts.items(by_role["planner"], 0))


def test_a_store_keeps_to_its_bytes(
    model: Any, by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    first, second = (read(model, pack, None, "cpu") for pack in contexts.packs[:2])
    whole, tokens = len(contexts.packs[0].ids), len(contexts.packs[0].attended)
    both = 2 * tokens * 32 * 4  # keys and values, width, float32
    lower = count_lower(model)
    assert first.bytes == (both + whole * 64 * 4 if lower else 2 * both)  # hidden states
    assert (first.entry is not None) == bool(lower) and 1 in first.layers
    store = ContextStore(first.bytes + 1)
    store.offer(contexts.packs[0], first)
    store.offer(contexts.packs[1], second)
    assert store.find(contexts.packs[0]) is first and store.find(contexts.packs[1]) is None
    assert store.left == 1
    assert store.close() and not store.close()
    store.offer(contexts.packs[0], first)
    assert store.find(contexts.packs[0]) is None


def test_contexts_are_read_once_for_all_roles(
    by_role: dict[str, list[Row]], contexts: Contexts
) -> None:
    """A transcript is in one pack, up to the last turn of any role; jobs share the order."""
    every = [row for pack in contexts.packs for row in pack.rows]
    assert len(every) == len({row.name for row in every}) == len(by_role["planner"])
    for rows in by_role.values():
        for row in rows:
            whole = contexts.transcript(row)
            assert whole.ids[: turns(row)[-1].start] == row.ids[: turns(row)[-1].start]
    order = [id(item.context) for item in contexts.items(by_role["planner"], 1)]
    later = [id(item.context) for item in contexts.items(by_role["caller"], 1)]
    assert later == [one for one in order if one in set(later)]
    assert order != [id(item.context) for item in contexts.items(by_role["planner"], 2)]
    for role, rows in by_role.items():
        for item in contexts.items(rows, 0):
            assert len(item.rows) == len(item.context.rows), role  # no one reads in vain
