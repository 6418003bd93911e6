"""Chats as people have them: OpenAI's messages with tool calls, and ShareGPT's turns."""

import json
import random

import pytest
from llguidance import LLMatcher, LLTokenizer

from umi_lite.data import openai_chat
from umi_lite.data.openai_chat import call_thought
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, User

BYTES = LLTokenizer("byte")
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["C", "F"]},
                "day": {"type": "string", "nullable": True},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
ASK = {"role": "user", "content": "What is the weather in Paris and in Oslo?"}
SAID = {"role": "assistant", "content": "It is mild."}


def call(city: str, number: int | None = None, text: bool = True, **more):
    arguments = {"city": city, **more}
    made = {"name": "get_weather", "arguments": json.dumps(arguments) if text else arguments}
    return {"id": f"call_{number}", "type": "function", "function": made}


def calls(*made, content=None):
    return {"role": "assistant", "content": content, "tool_calls": list(made)}


def result(content, number: int = 1):
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": content}


def load(tmp_path, *messages, tools=(WEATHER,), **more):
    path = tmp_path / "chats.jsonl"
    row = {"messages": list(messages), **({"tools": list(tools)} if tools else {}), **more}
    path.write_text(json.dumps(row) + "\n")
    return openai_chat.load(path)


def steps(tmp_path, *messages, **more):
    loaded = load(tmp_path, *messages, **more)
    assert loaded.dropped == []
    (made,) = loaded.trajectories
    return made.steps


PARIS = (
    Plan(thought="Call get_weather: city Paris.", next="caller"),
    Call(tool="get_weather", arguments={"city": "Paris"}),
    Observation(content="rain"),
)
ANSWERED = (
    Plan(thought="I can answer the user now.", next="summarizer"),
    Answer(text="It is mild."),
)


def test_a_call_and_its_answer(tmp_path) -> None:
    loaded = load(tmp_path, SYSTEM, ASK, calls(call("Paris", 1)), result("rain"), SAID)
    (made,) = loaded.trajectories
    assert (made.id, made.source, made.gold) == ("openai-chats-1", "openai", None)
    assert made.instruction == ASK["content"]
    assert made.steps == (*PARIS, *ANSWERED)
    assert made.meta["system"] == SYSTEM["content"]
    (tool,) = made.tools
    assert tool.description == "Weather of a city."
    assert tool.parameters["properties"]["day"] == {"type": ["string", "null"]}


def test_what_the_assistant_says_with_a_call_is_the_thought(tmp_path) -> None:
    said = calls(call("Paris", 1), content="I look Paris up.")
    assert steps(tmp_path, ASK, said, result("rain"))[0].thought == "I look Paris up."
    apart = [{"role": "assistant", "content": "I look Paris up."}, calls(call("Paris", 1))]
    assert steps(tmp_path, ASK, *apart, result("rain"))[0].thought == "I look Paris up."
    thinking = calls(call("Paris", 1), content="<think>Hm.\nParis?</think>\n")
    assert steps(tmp_path, ASK, thinking, result("rain"))[0].thought == PARIS[0].thought


def test_arguments_as_an_object_and_results_as_parts_or_json(tmp_path) -> None:
    parts = [{"type": "text", "text": "ra"}, {"type": "text", "text": "in"}]
    made = steps(tmp_path, ASK, calls(call("Paris", 1, text=False)), result(parts), SAID)
    assert made[1] == PARIS[1] and made[2].content == "ra\nin"
    made = steps(tmp_path, ASK, calls(call("Paris", 1)), result({"sky": "é"}), SAID)
    assert made[2].content == '{"sky": "é"}'


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_parallel_calls_follow_one_another(tmp_path, order) -> None:
    seen = {1: "rain", 2: "snow"}
    both = calls(call("Paris", 1), call("Oslo", 2), content="Both.")
    made = steps(tmp_path, ASK, both, *(result(seen[i], i) for i in order), SAID)
    assert made == (
        Plan(thought="Both.", next="caller"),
        *PARIS[1:],
        Plan(thought="Call get_weather: city Oslo.", next="caller"),
        Call(tool="get_weather", arguments={"city": "Oslo"}),
        Observation(content="snow"),
        *ANSWERED,
    )


def test_the_older_function_call(tmp_path) -> None:
    made = {"role": "assistant", "content": None, "function_call": call("Paris")["function"]}
    seen = {"role": "function", "name": "get_weather", "content": "rain"}
    functions = [WEATHER["function"]]
    assert steps(tmp_path, ASK, made, seen, SAID, tools=(), functions=functions) == (
        *PARIS,
        *ANSWERED,
    )


def test_further_turns_of_the_user(tmp_path) -> None:
    more = {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]}
    made = steps(tmp_path, ASK, calls(call("Paris", 1)), result("rain"), SAID, more, SAID, more)
    assert made == (*PARIS, *ANSWERED, User(text="And tomorrow?"), *ANSWERED)


def test_a_chat_may_end_with_a_call(tmp_path) -> None:
    loaded = load(tmp_path, ASK, calls(call("Paris", 1), call("Oslo", 2)))
    (made,) = loaded.trajectories
    assert made.steps == PARIS[:2]
    assert made.meta["calls_left_out"] == 1


def test_a_chat_without_tools_is_a_plan_and_an_answer(tmp_path) -> None:
    assert steps(tmp_path, ASK, SAID, tools=()) == ANSWERED


def test_the_system_message_goes_where_a_call_needs_it(tmp_path) -> None:
    system = {"role": "developer", "content": "Today is 2026-03-04."}
    asked = calls(call("Paris", 1, day="2026-03-04"))
    (made,) = load(tmp_path, system, ASK, asked).trajectories
    assert made.instruction == f"{system['content']}\n\n{ASK['content']}"
    (made,) = load(tmp_path, system, ASK, calls(call("Paris", 1))).trajectories
    assert made.instruction == ASK["content"]


def test_columns_of_a_table(tmp_path) -> None:
    """Tables hold JSON as text, and null where another row has a key."""
    row = {
        "messages": json.dumps([ASK, calls(call("Paris", 1, unit=None, other=None, day=None))]),
        "tools": json.dumps([WEATHER]),
    }
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]))
    (made,) = openai_chat.load(path).trajectories
    assert made.steps[1].arguments == {"city": "Paris", "day": None}


def test_turns_of_sharegpt(tmp_path) -> None:
    turns = [
        {"from": "human", "value": ASK["content"]},
        {"from": "function_call", "value": json.dumps(call("Paris", text=False)["function"])},
        {"from": "observation", "value": "rain"},
        {"from": "gpt", "value": "It is mild."},
    ]
    row = {"conversations": turns, "system": "Be kind.", "tools": json.dumps([WEATHER["function"]])}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (made,) = openai_chat.load(path).trajectories
    assert made.steps == (*PARIS, *ANSWERED) and made.meta["system"] == "Be kind."


def test_rows_of_xlam(tmp_path) -> None:
    tool = {"name": "get_weather", "description": "", "parameters": {"city": {"type": "str"}}}
    row = {
        "query": ASK["content"],
        "tools": json.dumps([tool]),
        "answers": json.dumps([{"name": "get_weather", "arguments": {"city": "Paris"}}]),
    }
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]))
    (made,) = openai_chat.load(path).trajectories
    assert made.steps == PARIS[:2] and made.instruction == ASK["content"]
    assert made.tools[0].parameters["properties"] == {"city": {"type": "string"}}


@pytest.mark.parametrize(
    ("messages", "more", "reason"),
    [
        ([ASK, calls(call("Paris"))], {"tools": ()}, "there are calls, but no field 'tools'"),
        (
            [ASK, calls({"function": {"name": "fly", "arguments": "{}"}})],
            {},
            "a call of 'fly', which is not among the row's tools",
        ),
        (
            [ASK, calls({"function": {"name": "get_weather", "arguments": "{"}})],
            {},
            "the arguments of a call of 'get_weather' are not JSON",
        ),
        (
            [ASK, calls({"function": {"name": "get_weather", "arguments": "[1]"}})],
            {},
            "the arguments of a call of 'get_weather' are not a JSON object",
        ),
        ([ASK, calls(call("Paris", 1)), SAID], {}, "the call of 'get_weather' has no result"),
        ([ASK, calls(call("Paris", 1)), result("x", 7)], {}, "result for 'call_7'"),
        ([ASK, result("x")], {}, "a tool's result without a call"),
        ([SAID, ASK], {}, "the assistant speaks before the user"),
        ([ASK], {}, "the assistant says nothing in it"),
        ([], {}, "the assistant says nothing in it"),
        ([ASK, {"role": "assistant", "content": None}], {}, "neither text nor tool calls"),
        ([ASK, {"role": "wizard", "content": "x"}], {}, "role 'wizard'"),
        ([ASK, {**SAID, "weight": 0}], {}, "weight 0"),
        ([ASK, {**SAID, "content": '<tool_call>{"name": "x"}'}], {}, "belong into tool_calls"),
        ([{"role": "user", "content": [{"type": "image_url"}]}, SAID], {}, "but image_url"),
        ([ASK, SAID], {"tools": [{"type": "web_search"}]}, "type 'web_search' is not a function"),
        ([ASK, SAID], {"tools": [{"name": "a b"}]}, "'a b': a call cannot name it"),
        ([ASK, SAID], {"tools": [{"name": "a", "parameters": [1]}]}, "tool a: parameters must be"),
        (["hi"], {}, "a message is not a JSON object"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_dropped_with_its_reason(tmp_path, messages, more, reason) -> None:
    loaded = load(tmp_path, *messages, **more)
    assert loaded.trajectories == []
    ((where, why),) = loaded.dropped
    assert where.endswith("chats.jsonl:1") and reason in why and "\n" not in why


def test_made_thoughts_are_short_and_can_be_said() -> None:
    arguments = {"a": "x" * 61, "b": "two\nlines", "c": [1, {"d": "é"}], "e": "", "f": None}
    arguments |= {f"k{i}": "y" * 50 for i in range(20)}
    thought = call_thought("tool", arguments)
    assert thought.startswith('Call tool: b two lines, c [1, {"d": "é"}], f null, k0 yyy')
    assert len(thought) < 300
    assert call_thought("now", {}) == "Call now."


def test_every_turn_is_one_that_its_role_can_say(tmp_path) -> None:
    both = calls(call("Paris", 1), call("Oslo", 2, unit="C"))
    loaded = load(tmp_path, ASK, both, result("rain", 1), result("snow", 2), SAID)
    (made,) = loaded.trajectories
    grammars = {
        Plan: plan_grammar(400),
        Call: call_grammar(made.tools),
        Answer: answer_grammar(),
    }
    for step in made.steps:
        if grammar := grammars.get(type(step)):
            ids = BYTES.tokenize_str(step_text(step, made.tools))
            matcher = LLMatcher(BYTES, grammar)
            assert matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting(), step


JUNK = (None, True, 0, 2.5, "", "x", "{", "[]", [], {}, [None], [[]], {"a": 1}, ["x"], [{}])


def damaged(value, chance: random.Random):
    """The value with something else in one of its places."""
    if chance.random() < 0.15:
        return chance.choice(JUNK)
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        return {**value, key: damaged(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], damaged(value[at], chance), *value[at + 1 :]]
    return chance.choice(JUNK)


def test_damaged_rows_are_dropped_with_a_reason(tmp_path) -> None:
    chance = random.Random(5)
    both = calls(call("Paris", 1), call("Oslo", 2, text=False))
    good = {
        "messages": [SYSTEM, ASK, both, result("rain", 1), result(["snow"], 2), SAID],
        "tools": [WEATHER],
    }
    rows = [damaged(good, chance) for _ in range(2000)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [good, *rows]))
    loaded = openai_chat.load(path)
    assert len(loaded.trajectories) + len(loaded.dropped) == 2001
    assert loaded.trajectories[0].steps[-1] == ANSWERED[-1]
    assert len(loaded.trajectories) > 100
    assert all("\n" not in drop.reason and len(drop.reason) < 300 for drop in loaded.dropped)
