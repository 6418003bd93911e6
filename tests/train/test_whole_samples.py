"""All of a view's turns in one sample: the same turns as one sample a step, the same loss."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from datafiles import data_file

from benchmarks.samples import count_all, step_rows, turns
from umi_lite.data import toolbench, toolworld
from umi_lite.protocol.prompts import render
from umi_lite.protocol.roles import SPEAKS
from umi_lite.protocol.trajectory import VIEWS, Answer, Call, Plan, Trajectory, View
from umi_lite.train.batches import PlainCollator
from umi_lite.train.packs import Row
from umi_lite.train.tokenizer import Language, load_language


@pytest.fixture(scope="module")
def language(base_hf: Path) -> Language:
    return load_language(base_hf)


@pytest.fixture(scope="module")
def several() -> list[Trajectory]:
    made = toolworld.load("train", 60, seed=2).trajectories
    return [t for t in made if t.meta["calls"] >= 2][:6]


def ends(trajectory: Trajectory, view: View) -> list[int]:
    """Where its steps end, as an index of `steps`: thought and action are one of the backbone."""
    steps = trajectory.steps
    if view == "backbone":
        acted = (Call, Answer)
        return [
            i + 1
            for i, step in enumerate(steps)
            if isinstance(step, acted) or (isinstance(step, Plan) and step.next == "give_up")
        ]
    return [i + 1 for i, step in enumerate(steps) if isinstance(step, SPEAKS[view])]


@pytest.mark.parametrize("view", VIEWS)
def test_a_step_is_cut_where_rendering_so_far_would_end(
    several: list[Trajectory], view: View, language: Language
) -> None:
    """The prompt of a step is what the episode's prompt was then, and the history is masked."""
    for trajectory in several:
        whole = render(trajectory, view, language.template, language.tokenizer)
        assert whole is not None
        rows = step_rows("1", whole, view, language)
        assert len(rows) == len(ends(trajectory, view))
        for row, end in zip(rows, ends(trajectory, view), strict=True):
            so_far = trajectory.model_copy(update={"steps": trajectory.steps[:end]})
            alone = render(so_far, view, language.template, language.tokenizer)
            assert alone is not None
            # A rendering that ends here ends the turn; where another role continues, it does not.
            assert alone.ids[: len(row.ids)] == row.ids and len(alone.ids) - len(row.ids) <= 1
        trained = [
            sum(bits) for bits in zip(*(padded(row, len(whole.ids)) for row in rows), strict=True)
        ]
        assert trained == whole.mask  # each trained token in one step, and none else


def padded(row: Row, length: int) -> list[int]:
    return [int(weight) for weight in row.weights] + [0] * (length - len(row.weights))


@pytest.fixture(scope="module")
def model(base_hf: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base_hf, dtype=torch.float32).eval()


def token_losses(model: Any, row: Row) -> list[float]:
    """Cross entropy of every trained token, in order."""
    import torch

    batch = PlainCollator(0).inputs([row])
    labels = batch.pop("labels")[0, 1:]
    with torch.no_grad():
        logits = model(**batch, use_cache=False).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none", ignore_index=-100)
    return losses[labels != -100].tolist()


@pytest.mark.parametrize("view", ["backbone", "planner", "caller"])
def test_the_loss_of_a_turn_is_the_same_both_ways(
    several: list[Trajectory], view: View, language: Language, model: Any
) -> None:
    for trajectory in several[:2]:
        whole = render(trajectory, view, language.template, language.tokenizer)
        assert whole is not None and len(whole.ids) <= 600
        at_once = token_losses(model, Row("1", whole.ids, [float(b) for b in whole.mask], 0))
        rows = step_rows("1", whole, view, language)
        assert len(rows) >= 2
        for row in rows:
            alone = token_losses(model, row)
            together, at_once = at_once[: len(alone)], at_once[len(alone) :]
            mean = sum(alone) / len(alone)
            assert mean > 0.01
            assert sum(together) / len(together) == pytest.approx(mean, abs=1e-4)
        assert not at_once


def test_toolbench_needs_fewer_tokens(language: Language) -> None:
    """Of 280 dialogues 80 are counted here, to be quick; benchmarks/README.md has them all.

    A role with one turn a trajectory saves nothing, and one with fewer turns saves less: so the
    views that speak at every step are held to 0.4, all four to what was measured.
    """
    path = data_file("toolbench/static_dev.json")
    data = toolbench.load(path, 80, keep_bad_arguments=True).trajectories
    counts = count_all(data, language)
    share = {view: made["whole"] / made["steps"] for view, made in counts.items()}
    assert share["planner"] <= 0.4 and share["backbone"] <= 0.42
    assert share["caller"] <= 0.5 and share["all"] <= 0.5
    assert 0.95 < share["summarizer"] <= 1
    # The official prompts name the tools twice.
    assert counts["all"]["whole"] / counts["all"]["paper"] <= 0.42


def test_turns_of_a_sample_are_found_in_order(
    several: list[Trajectory], language: Language
) -> None:
    for view in VIEWS:
        whole = render(several[0], view, language.template, language.tokenizer)
        assert whole is not None
        found = turns(whole, view, language)
        assert all(turn.start < turn.end for turn in found)
        assert all(one.end <= two.start for one, two in pairwise(found))
