"""Rows: what is trained, what is cut, what is refused; packs: every row once, by seed."""

from pathlib import Path

import pytest

from umi_lite.data import toolworld
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory
from umi_lite.train.packs import Row, make_packs
from umi_lite.train.samples import make_rows
from umi_lite.train.tokenizer import Language, load_language

TOOL = Tool(name="add", description="Add.", parameters={"type": "object", "properties": {}})


@pytest.fixture(scope="module")
def language(base_hf: Path) -> Language:
    return load_language(base_hf)


def episode(number: int, words: int = 1) -> Trajectory:
    return Trajectory(
        id=str(number),
        source="test",
        tools=(TOOL,),
        instruction="word " * words,
        steps=(
            Plan(thought="Step 1 of 1: add.", next="caller"),
            Call(tool="add"),
            Observation(content="3"),
            Plan(thought="Done.", next="summarizer"),
            Answer(text="It is 3."),
        ),
    )


def give_up(number: int) -> Trajectory:
    step = Plan(thought="No tool can.", next="give_up")
    return episode(number).model_copy(update={"steps": (step,)})


def text(language: Language, row: Row, weight: float | None = None) -> str:
    chosen = [
        i for i, w in zip(row.ids, row.weights, strict=True) if (w == weight if weight else w)
    ]
    return language.tokenizer.decode(chosen)


def test_a_rows_trained_text_is_the_views_own_turns(language: Language) -> None:
    trained = {
        view: text(language, make_rows([episode(1)], view, language, max_length=512).rows[0])
        for view in ("backbone", "planner", "caller", "summarizer")
    }
    assert trained["caller"] == "add {}<|im_end|>"
    assert trained["summarizer"] == "It is 3.<|im_end|>"
    assert trained["planner"].startswith("Step 1 of 1: add.\nNext: callerDone.")
    assert trained["backbone"].endswith("Next: summarizerIt is 3.<|im_end|>")


def test_decision_weight_is_on_the_next_word_alone(language: Language) -> None:
    for view, expected in (
        ("planner", " caller summarizer"),
        ("backbone", " caller summarizer"),
        ("caller", ""),
    ):
        rows = make_rows([episode(1)], view, language, max_length=512, decision_weight=4.0)
        assert text(language, rows.rows[0], 4.0) == expected


def test_a_row_that_is_too_long_is_left_out_and_named(language: Language) -> None:
    data = [episode(1), episode(2, 9), episode(3)]
    whole = make_rows(data, "planner", language, max_length=512)
    short, long, _ = (len(row.ids) for row in whole.rows)
    assert whole.too_long == [] and long > short
    fitting = make_rows(data, "planner", language, max_length=short)
    assert [row.name for row in fitting.rows] == ["1", "3"]
    assert [row.name for row in fitting.too_long] == ["2"]
    # Exactly as long as may be is not too long.
    assert make_rows(data, "planner", language, max_length=long).too_long == []


def test_a_job_of_which_no_row_fits_is_refused(language: Language) -> None:
    data = [episode(1, 400), episode(2, 500)]
    shortest = len(make_rows(data, "planner", language, max_length=2048).rows[0].ids)
    line = f"planner: all of its 2 rows .* max_length, 120 tokens .*shortest has {shortest}"
    with pytest.raises(UserError, match=line):
        make_rows(data, "planner", language, max_length=120)


def test_a_role_that_never_speaks_stops_the_job(language: Language) -> None:
    with pytest.raises(UserError, match="caller: this role speaks in none"):
        make_rows([give_up(1), give_up(2)], "caller", language, max_length=120)
    kept = make_rows([give_up(1), episode(2)], "caller", language, max_length=512)
    assert [row.name for row in kept.rows] == ["2"]


def test_style_paper_makes_a_row_a_turn(language: Language) -> None:
    rows = make_rows([episode(1)], "planner", language, max_length=2048, style="paper")
    assert [row.name for row in rows.rows] == ["1", "1"]
    assert text(language, rows.rows[0]).endswith("Next: caller.<|im_end|>")


def test_packs_hold_every_row_once_after_its_own_prefix(language: Language) -> None:
    data = toolworld.load("train", 40, 0).trajectories
    rows = make_rows(data, "backbone", language, max_length=1024).rows
    packs = make_packs(rows, length=512, seed=3)
    assert sorted(row.name for pack in packs for row in pack.rows) == sorted(r.name for r in rows)
    assert sum(len(pack.ids) for pack in packs) < 0.8 * sum(len(row.ids) for row in rows)
    assert any(len(pack.rows) > 1 for pack in packs)
    for pack in packs:
        assert len(pack.ids) <= 512 or len(pack.rows) == 1
        assert len(pack.ids) == len(pack.positions) == pack.prefix + sum(pack.lengths)
        assert sum(row.trained for row in pack.rows) == len(pack.targets)
        at = pack.prefix
        for row, length in zip(pack.rows, pack.lengths, strict=True):
            assert pack.ids[: pack.prefix] + pack.ids[at : at + length] == row.ids
            at += length


def test_packing_depends_on_the_seed_alone(language: Language) -> None:
    data = toolworld.load("train", 20, 0).trajectories
    rows = make_rows(data, "planner", language, max_length=1024).rows
    one, same, other = (make_packs(rows, length=512, seed=s) for s in (1, 1, 2))
    assert one == same
    assert [pack.ids for pack in one] != [pack.ids for pack in other]
    alone = make_packs(rows, length=512, seed=1, shared=False)
    assert sorted(pack.ids for pack in alone) == sorted(row.ids for row in rows)
