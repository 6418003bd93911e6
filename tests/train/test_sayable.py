"""A trained turn is one that its role's grammar and the loop allow; the others are context."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bytetokens import CHATML, END, ByteTokenizer
from datafiles import data_file
from llguidance import LLMatcher, LLTokenizer

from umi_lite.data.load import load_source
from umi_lite.data.rows import Loaded
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.prompts import render
from umi_lite.protocol.template import ChatTemplate
from umi_lite.protocol.trajectory import (
    ROLES,
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)
from umi_lite.recipe.schema import Recipe
from umi_lite.train.inputs import load_data
from umi_lite.train.sayable import (
    CONTEXT_ONLY,
    EMPTY_ANSWER,
    NO_ANSWER_MARK,
    NO_NEXT,
    NO_NEXT_NAMED,
    NO_PLAN,
    NO_THOUGHT,
    NO_TOOLS,
    NOT_IN_SCHEMA,
    OUT_OF_TURN,
    STUCK,
    UNKNOWN_TOOL,
    only_sayable,
)

BYTES = LLTokenizer("byte")
TEMPLATE = ChatTemplate(CHATML, ends=[END])
CITY = {"city": {"type": "string"}, "days": {"type": "integer"}}
WEATHER = Tool(
    name="weather", parameters={"type": "object", "properties": CITY, "required": ["city"]}
)
PLAN = Plan(thought="Look it up.", next="caller")
CALL = Call(tool="weather", arguments={"city": "Oslo"})
SEEN = Observation(content="Rain.")
DONE = Plan(thought="Known.", next="summarizer")
ANSWER = Answer(text="It rains.")


def episode(*steps: Step, **fields: Any) -> Trajectory:
    given = {"id": "t", "source": "test", "tools": (WEATHER,), "instruction": "Rain?", **fields}
    return Trajectory(steps=steps, **given)


def amended(*steps: Step, **fields: Any) -> tuple[list[bool], dict[str, str]]:
    """Which of the steps are trained, and what became of the turns, by place."""
    loaded = only_sayable(Loaded([episode(*steps, **fields)]))
    (made,) = loaded.trajectories
    trained = [getattr(step, "trained", False) for step in made.steps]
    return trained, {row.where: row.reason for row in loaded.amended}


def test_a_trajectory_of_the_loop_is_trained_as_it_is() -> None:
    for steps in (
        (PLAN, CALL, SEEN, DONE, ANSWER),
        (PLAN, CALL, SEEN, User(text="Again."), PLAN, CALL, SEEN, DONE, ANSWER),
        (Plan(thought="x" * 5000, next="give_up"),),
        (Plan(thought="Two\nlines\r\n and a tab\t.", next="give_up"),),
        (PLAN, CALL, SEEN, PLAN, Call(tool="weather", arguments={"city": "Bergen"}), SEEN),
        (DONE, Answer(text="\n Two\nlines. ")),
    ):
        loaded = only_sayable(Loaded([episode(*steps)]))
        assert loaded.trajectories == [episode(*steps)]
        assert loaded.amended == loaded.dropped == []


@pytest.mark.parametrize(
    ("steps", "trained", "reasons"),
    [
        ((CALL, SEEN, DONE, ANSWER), "0-11", {1: NO_PLAN}),
        ((PLAN, CALL, SEEN, ANSWER), "11-0", {4: NO_PLAN}),
        ((PLAN, CALL, SEEN, PLAN, ANSWER), "11-10", {5: NO_PLAN}),
        ((PLAN, CALL, SEEN, DONE, Answer(text=" \n")), "11-10", {5: EMPTY_ANSWER}),
        ((PLAN, CALL, DONE, ANSWER), "1101", {3: OUT_OF_TURN}),
        ((PLAN, CALL, SEEN, PLAN, DONE, ANSWER), "11-101", {5: OUT_OF_TURN}),
        (
            (PLAN, Call(tool="weather", arguments={"town": "Oslo"}), SEEN, DONE, ANSWER),
            "10-11",
            {2: NOT_IN_SCHEMA},
        ),
        (
            (PLAN, Call(tool="weather", arguments={"city": "O", "days": float("nan")}), SEEN),
            "10-",
            {2: NOT_IN_SCHEMA},
        ),
        (
            (PLAN, Call(tool="made_up"), SEEN, DONE, ANSWER),
            "00-11",
            {1: UNKNOWN_TOOL, 2: UNKNOWN_TOOL},
        ),
        (
            (PLAN, CALL, SEEN, PLAN, CALL, SEEN, DONE, ANSWER),
            "11-00-11",
            {4: STUCK, 5: STUCK},
        ),
    ],
)
def test_a_turn_that_no_agent_says_is_context_only(
    steps: tuple[Step, ...], trained: str, reasons: dict[int, str]
) -> None:
    made, found = amended(*steps)
    assert made == [bit == "1" for bit in trained]
    assert found == {f"t, step {at}": CONTEXT_ONLY + why for at, why in reasons.items()}


def test_an_answer_none_is_toolbenchs_mark_and_nobody_elses() -> None:
    steps = (DONE, Answer(text="none"))
    assert amended(*steps, source="toolbench")[1] == {"t, step 2": CONTEXT_ONLY + NO_ANSWER_MARK}
    assert amended(*steps) == ([True, True], {})


def test_without_tools_no_plan_can_ask_for_a_call() -> None:
    asks = amended(PLAN, User(text="?"), DONE, ANSWER, tools=())
    assert asks == ([False, False, True, True], {"t, step 1": CONTEXT_ONLY + NO_TOOLS})


def test_tools_that_no_agent_starts_with_leave_their_calls_untrained() -> None:
    twins = (WEATHER, WEATHER)
    trained, found = amended(PLAN, CALL, SEEN, DONE, ANSWER, tools=twins)
    assert trained == [True, False, False, True, True]
    assert "two tools are named 'weather'" in found["t, step 2"]


def test_an_empty_thought_says_what_followed() -> None:
    steps = [Plan(thought=" \n", next="caller"), CALL, SEEN, Plan(thought="", next="summarizer")]
    made, found = amended(*steps, ANSWER)
    assert made == [True, True, False, True, True]
    assert found == {"t, step 1": NO_THOUGHT, "t, step 4": NO_THOUGHT}
    assert turns(episode(*steps, ANSWER), "planner") == [
        "Call weather.\nNext: caller",
        "The answer is known.\nNext: summarizer",
    ]
    ends = episode(Plan(thought="", next="give_up"))
    assert turns(ends, "planner") == ["No tool can do this.\nNext: give_up"]


def test_a_plan_without_a_next_speaker_names_who_followed_or_is_left_out() -> None:
    well = Plan(thought="Well.", next=None)
    steps = (well, CALL, SEEN, well, ANSWER)
    assert amended(*steps)[1] == {"t, step 1": NO_NEXT_NAMED, "t, step 4": NO_NEXT_NAMED}
    assert turns(episode(*steps), "planner") == [
        "Well.\nNext: caller",
        "Well.\nNext: summarizer",
    ]
    # Nobody speaks after it: the next plan is where the loop asks for one.
    steps = (PLAN, CALL, SEEN, well, DONE, ANSWER)
    trained, found = amended(*steps)
    assert trained == [True, True, False, False, True, True]
    assert found == {"t, step 4": CONTEXT_ONLY + NO_NEXT}
    sample = render(episode(*steps), "planner", TEMPLATE, ByteTokenizer())
    assert sample is not None and "Well." not in ByteTokenizer().decode(sample.ids)


def test_a_trajectory_without_a_trained_turn_is_dropped_with_the_first_reason() -> None:
    loaded = only_sayable(Loaded([episode(ANSWER), episode(PLAN, CALL)]))
    assert loaded.trajectories == [episode(PLAN, CALL)]
    ((where, why),) = loaded.dropped
    assert where == "t" and why == f"no turn is left to train: {NO_PLAN}"


def test_a_turn_that_its_source_does_not_train_is_context_in_both_styles() -> None:
    from umi_lite.protocol.paper import samples

    mute = CALL.model_copy(update={"trained": False})
    made = episode(PLAN, mute, SEEN, DONE, ANSWER)
    assert amended(*made.steps) == ([True, False, False, True, True], {})
    assert turns(made, "caller") == []
    assert [len(samples(made, view)) for view in ("planner", "caller", "backbone")] == [2, 0, 1]
    assert json.loads(mute.model_dump_json())["trained"] is False
    assert "trained" not in json.loads(CALL.model_dump_json())
    assert Trajectory.model_validate_json(made.model_dump_json()) == made


def turns(trajectory: Trajectory, view: Any) -> list[str]:
    """The trained turns of a view, as text."""
    sample = render(trajectory, view, TEMPLATE, ByteTokenizer())
    pieces = sample.pieces if sample else []
    return [piece.text for piece in pieces if piece.trained and not piece.special]


def accepts(grammar: str, text: str) -> bool:
    matcher = LLMatcher(BYTES, grammar)
    ids = list(text.encode())
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


def checked_turns(loaded: Loaded, longest_thought: int) -> Iterator[tuple[str, str, bool]]:
    """Role, text and whether its grammar accepts it, of all trained turns of the roles."""
    for trajectory in loaded.trajectories:
        for role in ROLES:
            said = turns(trajectory, role)
            if role == "planner":
                grammar = plan_grammar(longest_thought, tools=bool(trajectory.tools))
            else:
                grammar = answer_grammar() if role == "summarizer" else ""
                grammar = grammar or (call_grammar(trajectory.tools) if said else "")
            for text in said:
                yield role, text, accepts(grammar, text)


@pytest.mark.parametrize(
    ("source", "name", "counts"),
    [
        (
            "toolbench",
            "toolbench/static_dev.json",
            {"planner": 1029, "caller": 734, "summarizer": 206},
        ),
        (
            "toolbench_raw",
            "toolbench/raw_answers",
            {"planner": 44, "caller": 32, "summarizer": 9},
        ),
    ],
)
def test_every_trained_turn_of_toolbench_is_accepted_by_its_grammar(
    source: Any, name: str, counts: dict[str, int]
) -> None:
    data = [{"source": source, "path": str(data_file(name))}]
    loaded = load_data(Recipe.model_validate({"name": "tb", "data": data}))
    found = list(checked_turns(loaded, 1531))
    assert [text for _, text, fine in found if not fine] == []
    assert Counter(role for role, _, _ in found) == counts
    context = sum(row.reason.startswith(CONTEXT_ONLY) for row in loaded.amended)
    every = load_source(source, {"path": data_file(name)}).trajectories
    spoken = sum(not isinstance(s, Observation | User) for t in every for s in t.steps)
    assert len(found) + context == spoken


def test_style_paper_takes_the_data_as_it_is(tmp_path: Path) -> None:
    path = data_file("toolbench/static_dev.json")
    made = {"name": "tb", "style": "paper", "data": [{"source": "toolbench", "path": str(path)}]}
    loaded = load_data(Recipe.model_validate(made))
    assert loaded.amended == []
    assert loaded.trajectories == load_source("toolbench", {"path": path}).trajectories


def test_every_other_source_trains_all_its_turns() -> None:
    options: list[tuple[str, dict[str, Any]]] = [
        ("toolworld", {"split": "train", "n": 200, "seed": 5}),
        ("toolworld", {"split": "ood", "n": 100, "seed": 5}),
        ("gsm8k", {"path": data_file("gsm8k/train.jsonl"), "n": 200}),
        ("tora", {"path": data_file("math/tora_examples.jsonl")}),
    ]
    for source, given in options:
        loaded = only_sayable(load_source(source, given))
        assert loaded.amended == [] and loaded.trajectories
