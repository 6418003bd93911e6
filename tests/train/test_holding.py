"""The bounds of a run hold every turn that it trained, in the base's own tokens."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import Notes

from umi_lite.agent.bounds import Bounds, holding, raised, widest
from umi_lite.data.traces import save
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory, User
from umi_lite.recipe.schema import Recipe
from umi_lite.train.tokenizer import Language, load_language
from umi_lite.train.trainer import train

NOTE = Tool(name="note", parameters={"type": "object", "properties": {"text": {"type": "string"}}})
LONG = "Every word of this thought counts. " * 40


@pytest.fixture(scope="module")
def language(base_hf: Path) -> Language:
    return load_language(base_hf)


def episode(name: str = "t", thought: str = LONG, calls: int = 1) -> Trajectory:
    step = (
        Plan(thought=thought, next="caller"),
        Call(tool="note", arguments={"text": "word " * 300}),
        Observation(content="noted " * 200),
    )
    end = (Plan(thought="Done.", next="summarizer"), Answer(text="It is noted. " * 90))
    return Trajectory(
        id=name, source="mine", tools=(NOTE,), instruction="Note it.", steps=step * calls + end
    )


def test_each_bound_is_the_longest_turn_of_its_kind(language: Language) -> None:
    made = episode(calls=9)
    views = ("planner", "caller", "summarizer")
    found = holding([made, episode(thought="Short.")], views, language.tokenizer)
    tokens = [
        len(language.tokenizer.encode(step_text(step, made.tools).strip(), special=False))
        for step in (made.steps[0], made.steps[1], made.steps[-1])
    ]
    assert found == Bounds(
        max_calls=9,
        max_thought_chars=len(LONG.strip()),
        max_thought_tokens=tokens[0],
        max_call_tokens=tokens[1],
        max_answer_tokens=tokens[2] + 1,
        max_observation_chars=1200,
    )
    assert holding([made], ("backbone",), language.tokenizer) == found
    planner = holding([made], ("planner",), language.tokenizer)
    assert (planner.max_call_tokens, planner.max_thought_tokens) == (256, tokens[0])
    assert widest([Bounds(), planner, found]) == found
    assert raised(Bounds()) == "" and "max_calls 9, max_thought_chars 1399" in raised(found)


def test_what_is_short_leaves_the_defaults(language: Language) -> None:
    short = Trajectory(
        id="t",
        source="mine",
        tools=(NOTE,),
        instruction="Note.",
        steps=(Plan(thought="Done.", next="summarizer"), Answer(text="Noted.")),
    )
    assert holding([short], ("backbone",), language.tokenizer) == Bounds()


def test_context_is_not_held_and_a_users_turn_restarts_the_count(language: Language) -> None:
    mute = Plan(thought=LONG, next="caller", trained=False)
    call = Call(tool="note", arguments={"text": "x"})
    steps = (mute, call, Observation(content="noted"), User(text="Again."))
    made = episode().model_copy(update={"steps": steps * 9})
    assert holding([made], ("backbone",), language.tokenizer) == Bounds()


def test_a_run_keeps_the_bounds_of_the_rows_that_it_trains(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    data = tmp_path / "data.jsonl"
    save([*(episode(f"t{i}", "Look.") for i in range(2)), episode("t2", ""), episode("long")], data)
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": 1, "max_samples": 3}
    recipe = tiny_recipe(
        data=[{"source": "traces", "path": str(data)}],
        stages={"global": stage, "local": "none"},
    )
    notes = Notes()
    run = train(recipe, tmp_path / "run", reporter=notes)
    kept = Bounds(**json.loads((run.root / "bounds.json").read_text()))
    # The long thought is in the fourth trajectory, which is not trained.
    assert kept.max_thought_chars == 400
    assert kept.max_call_tokens > 300 and kept.max_answer_tokens > 256
    assert [line for line in notes.said if line.startswith("data:")] == [
        "data: 1 turns had no thought, and were given one that says what followed "
        "(first: t2, step 1)"
    ]
    assert any("raised to hold what is trained: max_call_tokens" in line for line in notes.said)
