import random

import pytest

from umi_lite.protocol.roles import (
    BadTurn,
    call_text,
    parse_call,
    parse_plan,
    plan_text,
    step_text,
    system_text,
    tool_line,
)
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, User

SEARCH = Tool(
    name="search",
    description="Find things.",
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "words"},
            "sort": {"enum": ["new", "old"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "limit": {"type": ["integer", "null"]},
            "any": {},
        },
        "required": ["query"],
    },
)
ALPHABET = 'ab é漢\U0001f600"\\{}[]:,\t0.5<|im_end|>\n'


def test_tool_line():
    assert tool_line(SEARCH) == (
        "search(query: string (words), sort?: new|old, tags?: [string], "
        "limit?: integer|null, any?: any) - Find things."
    )


def test_who_sees_the_tools():
    for view in ("backbone", "planner", "caller"):
        assert system_text(view, (SEARCH,)).endswith("\nTools:\n" + tool_line(SEARCH))
        assert "Tools:" not in system_text(view, ())
    assert "search" not in system_text("summarizer", (SEARCH,))


def test_wording_of_each_step():
    tools = (SEARCH,)
    assert step_text(User(text="Hm."), tools) == "Hm."
    assert step_text(Plan(thought=" Look. ", next="caller"), tools) == "Look.\nNext: caller"
    assert step_text(Plan(thought="Well.", next=None), tools) == "Well."
    assert step_text(Observation(content="3"), tools) == "Result: 3"
    assert step_text(Observation(content="no", error=True), tools) == "Error: no"
    assert step_text(Answer(text="Three."), tools) == "Three."


def test_arguments_come_in_the_order_of_the_schema():
    call = Call(tool="search", arguments={"new": 1, "tags": ["ü"], "query": "a b"})
    assert call_text(call, (SEARCH,)) == 'search {"query": "a b", "tags": ["ü"], "new": 1}'
    assert call_text(call, ()) == 'search {"new": 1, "tags": ["ü"], "query": "a b"}'


def test_a_thought_is_one_line():
    plan = Plan(thought="First.\n\n Then Next: caller or not.", next="give_up")
    assert plan_text(plan) == "First. Then Next: caller or not.\nNext: give_up"


def test_plans_come_back_from_their_text():
    rng = random.Random(0)
    for _ in range(300):
        thought = " ".join("".join(rng.choices(ALPHABET, k=rng.randint(1, 30))).split()) or "x"
        plan = Plan(thought=thought, next=rng.choice(("caller", "summarizer", "give_up")))
        assert parse_plan(plan_text(plan)) == plan


def test_calls_come_back_from_their_text():
    rng = random.Random(1)

    def value(depth: int):
        kind = rng.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(rng.randint(0, 3))]
        if kind == 6:
            return {text(): value(depth - 1) for _ in range(rng.randint(0, 3))}
        return (None, True, rng.randint(-9, 9), rng.random(), text())[kind]

    def text() -> str:
        return "".join(rng.choices(ALPHABET, k=rng.randint(0, 12)))

    for _ in range(300):
        call = Call(tool="search", arguments={text(): value(3) for _ in range(rng.randint(0, 4))})
        said = call_text(call, (SEARCH,))
        assert "\n" not in said
        assert parse_call(said) == call


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Just a thought.", "no 'Next:' line"),
        ("A thought. Next: caller", "no 'Next:' line"),
        ("A thought.\nNext: conclusion", "'conclusion'; one of caller, summarizer, give_up"),
        ("A thought.\nNext: ", "named ''"),
    ],
)
def test_bad_plans(text, reason):
    with pytest.raises(BadTurn, match=reason):
        parse_plan(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("search {query", "are not JSON"), ("search [1]", "not a JSON object")],
)
def test_bad_calls(text, reason):
    with pytest.raises(BadTurn, match=reason):
        parse_call(text)


def test_a_call_without_arguments():
    assert parse_call(" search\n") == Call(tool="search")
