"""Every field of a request is honoured or refused by name, and so is every message."""

import json
from typing import Any

import httpx
import pytest
from serving import DONE, GIVE_UP, Running, Talker, serving

from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, User
from umi_lite.serve.errors import BadRequest
from umi_lite.serve.history import History, read_history
from umi_lite.serve.memory import Memory

USER = {"role": "user", "content": "Do it."}
TOOL = {"type": "function", "function": {"name": "double"}}


def say(speaker: str, prompt: str) -> str:
    return DONE if speaker == "planner" else "6."


@pytest.fixture(scope="module")
def running():
    with serving(Talker(say), max_body=20_000) as made:
        yield made


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"top_p": 0.9}, "top_p"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": 1}, "frequency_penalty"),
    ({"logit_bias": {"50": 1}}, "logit_bias"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"functions": [{"name": "x"}]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"top_k": 40}, "top_k"),
    ({"store": True}, "store"),
    ({"temperature": 3}, "temperature"),
    ({"temperature": "0.5"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**40}, "seed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": "9"}, "max_completion_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stop": "x", "response_format": {"type": "json_object"}}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "some", "tools": [TOOL]}, "tool_choice"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "tool_choice",
    ),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
    ({"tools": [TOOL, TOOL]}, "tools.1.function.name"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function"),
    (
        {
            "tools": [
                {"type": "function", "function": {"name": "x", "parameters": {"type": "array"}}}
            ]
        },
        "tools.0.function",
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "x", "cache": 1}}]},
        "tools.0.function.cache",
    ),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": {"type": "object", "pattern": "("}},
            }
        },
        "response_format",
    ),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{**USER, "weight": 1}]}, "messages.0.weight"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ({"messages": [USER, {"role": "assistant", "content": "x"}]}, "messages"),
    ({"messages": [USER, {"role": "tool", "tool_call_id": "1", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_a_field_that_cannot_be_honoured_is_named(running: Running, fields, param):
    answer = running.post({"messages": [USER], **fields})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["type"] == "invalid_request_error"
    assert error["param"] == param and error["message"].startswith(param)


NEUTRAL: list[dict[str, Any]] = [
    {"n": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}},
    {"logprobs": False, "modalities": ["text"], "service_tier": "auto", "store": False},
    {"audio": None, "functions": None, "tools": None, "stop": None, "max_tokens": None},
    {"parallel_tool_calls": False, "user": "me", "metadata": {"a": "b"}, "tool_choice": "none"},
    {"model": "small", "response_format": {"type": "text"}, "temperature": 1, "seed": 3},
    {"messages": [{"role": "developer", "content": "Be brief."}, {**USER, "name": "Ann"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Do it."}]}]},
]


@pytest.mark.parametrize("fields", NEUTRAL)
def test_values_that_change_nothing_are_taken(running: Running, fields):
    answer = running.post({"messages": [USER], **fields})
    assert answer.status_code == 200, answer.text


def test_another_model_is_not_found(running: Running):
    answer = running.post({"model": "gpt-9", "messages": [USER]})
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found"
    assert "'small'" in answer.json()["error"]["message"]


def test_the_models(running: Running):
    assert httpx.get(f"{running.url}/v1/models/small").json()["id"] == "small"
    answer = httpx.get(f"{running.url}/v1/models/gpt-9")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found"
    for answer in (
        httpx.get(f"{running.url}/v1/chat/completions"),
        httpx.get(f"{running.url}/v1/completions"),
    ):
        assert answer.status_code == 404 and "no such address" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[1]", "must be a JSON object"),
        (b'{"messages": NaN}', "NaN"),
        (b"[" * 9000, "nested too deep"),
        (b"", "not JSON"),
    ],
)
def test_bodies_that_are_no_request(running: Running, body, why):
    answer = running.post(body)
    assert answer.status_code == 400 and why in answer.json()["error"]["message"]


def test_the_size_of_a_request_is_bounded(running: Running):
    long = {"messages": [{"role": "user", "content": "x" * 20_000}]}
    assert running.post(long).status_code == 413

    def parts():
        yield json.dumps(long).encode()

    headers = {"content-type": "application/json"}
    url = f"{running.url}/v1/chat/completions"
    assert httpx.post(url, content=parts(), headers=headers).status_code == 413


def test_other_content_types_are_refused(running: Running):
    answer = running.post({"messages": [USER]}, headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def test_labels_are_in_the_trace():
    class Kept:
        def __init__(self) -> None:
            self.traces: list[Any] = []

        def save(self, trace: Any, *, running: bool = False) -> None:
            if running:
                return
            self.traces.append(trace)
            if len(self.traces) == 3:
                raise OSError("No space left on device")

    store = Kept()
    with serving(Talker(lambda *_: GIVE_UP), store=store) as running:
        running.post({"messages": [USER], "user": "me", "metadata": {"a": "b"}})
        running.post({"messages": [USER], "store": False})
        running.post({"messages": [USER], "store": True})
        # A store that fails costs no answer.
        assert [running.post({"messages": [USER]}).status_code for _ in range(2)] == [200, 200]
    assert store.traces[0].trajectory.meta == {"user": "me", "metadata": {"a": "b"}}
    assert store.traces[0].stop == "give_up" and len(store.traces) == 4


def call(name: str, arguments: str, call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def history(*messages: dict[str, Any], memory: Memory | None = None) -> History:
    return read_history(messages, memory or Memory(), 40)


def result(content: Any, call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_messages_become_steps():
    made = history(
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "assistant", "tool_calls": [call("double", '{"n": 3}', "a")]},
        result("6", "a"),
        {"role": "assistant", "content": "It is 6.", "refusal": None, "audio": None},
        {"role": "system", "content": "Now loud."},
        {"role": "user", "content": "Sure?"},
    )
    assert made.instruction == "Be brief.\n\nDo it."
    assert made.steps == (
        Plan(thought="Call double: n 3.", next="caller"),
        Call(tool="double", arguments={"n": 3}),
        Observation(content="6"),
        Plan(thought="I can answer the user now.", next="summarizer"),
        Answer(text="It is 6."),
        User(text="Now loud.\n\nSure?"),
    )


def test_several_calls_of_one_message_come_one_after_another():
    calls = [call("double", '{"n": 3}', "a"), call("halve", '{"n": 4}', "b")]
    made = history(
        USER,
        {"role": "assistant", "content": "Both.", "tool_calls": calls},
        result("2", "b"),
        result("6", "a"),
    )
    assert made.steps == (
        Plan(thought="Both.", next="caller"),
        Call(tool="double", arguments={"n": 3}),
        Observation(content="6"),
        Plan(thought="Call halve: n 4.", next="caller"),
        Call(tool="halve", arguments={"n": 4}),
        Observation(content="2"),
    )


def test_long_results_are_cut_and_the_cut_is_visible():
    said = {"role": "assistant", "tool_calls": [call("double", "{}", "a")]}
    made = history(USER, said, result("x" * 500, "a"))
    last = made.steps[-1]
    assert isinstance(last, Observation) and len(last.content) <= 40 and "…" in last.content


def test_steps_are_remembered_by_a_calls_id_if_the_call_is_the_same():
    memory = Memory()
    steps = (Plan(thought="Hm.", next="caller"), Call(tool="double", arguments={"n": 3}))
    memory.put("a", steps)
    said = {"role": "assistant", "tool_calls": [call("double", '{"n": 3}', "a")]}
    assert history(USER, said, result("6", "a"), memory=memory).steps[:2] == steps
    other = {"role": "assistant", "tool_calls": [call("double", '{"n": 4}', "a")]}
    assert history(USER, other, result("6", "a"), memory=memory).steps[0] != steps[0]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"role": "assistant", "content": "Hi."}, USER], "speaks before the user"),
        ([USER, {"role": "assistant", "tool_calls": [call("x", "{}", "a")]}], "has no result"),
        (
            [USER, {"role": "assistant", "tool_calls": [call("x", "{", "a")]}, result("1", "a")],
            "not JSON",
        ),
        (
            [USER, {"role": "assistant", "tool_calls": [call("x", "{}", "a")]}, result("1", "b")],
            "not a call before it",
        ),
        ([USER, {"role": "assistant", "content": ""}, USER], "neither text nor tool calls"),
        ([USER, {"role": ["user"], "content": "Hi."}], "is not one of system"),
    ],
)
def test_messages_that_cannot_follow_each_other(messages, why):
    with pytest.raises(BadRequest, match=why):
        history(*messages)


def test_an_id_is_never_taken_for_the_place_of_a_call_without_one():
    calls = [call("x", "{}", "#1"), call("y", "{}", "")]
    results = [result("1", ""), result("2", "")]
    made = history(USER, {"role": "assistant", "tool_calls": calls}, *results)
    assert [step.content for step in made.steps if isinstance(step, Observation)] == ["1", "2"]


def test_the_memory_is_bounded():
    memory = Memory(2)
    for key in "abc":
        memory.put(key, (User(text=key),))
        memory.get("a")
    assert memory.get("b") is None and memory.get("a") and memory.get("c")
