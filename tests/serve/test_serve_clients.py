"""The official client: whole and streamed answers, the client's tools and the server's."""

import json
from typing import Any

import openai
import pytest
from serving import CALLER, DONE, GIVE_UP, Talker, scripted, serving

from umi_lite.agent.bounds import Bounds
from umi_lite.tools.tools import Toolbox

PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tool(name: str = "double", **more: Any) -> dict[str, Any]:
    function = {"name": name, "description": "Twice the number.", "parameters": PARAMETERS}
    return {"type": "function", "function": {**function, **more}}


def user(text: str = "Do it.") -> dict[str, str]:
    return {"role": "user", "content": text}


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


BOX = Toolbox([double])
EPISODE = (CALLER, 'double {"n": 3}', DONE, "It is 6.")


def test_the_servers_tools_whole():
    with serving(Talker(scripted(*EPISODE * 2)), BOX) as running:
        client = running.client()
        assert [model.id for model in client.models.list()] == ["small"]
        made = client.chat.completions.create(model="small", messages=[user()])
        message = made.choices[0].message
        assert message.content == "It is 6." and not message.tool_calls
        assert "reasoning_content" not in message.model_extra
        assert made.choices[0].finish_reason == "stop"
        written = sum(map(len, EPISODE))
        assert made.usage.completion_tokens == written
        assert made.usage.completion_tokens_details.reasoning_tokens == written - len("It is 6.")
    with serving(Talker(scripted(*EPISODE)), BOX, show_thoughts=True) as running:
        made = running.client().chat.completions.create(model="small", messages=[user()])
        shown = made.choices[0].message.model_extra["reasoning_content"]
        assert shown == 'Look.\ndouble {"n": 3}\n6\nDone.'


@pytest.mark.parametrize("shown", [False, True])
def test_the_servers_tools_streamed(shown):
    with serving(Talker(scripted(*EPISODE)), BOX, show_thoughts=shown) as running:
        stream = running.client().chat.completions.create(
            model="small", messages=[user()], stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "It is 6."
    assert len([delta for delta in deltas if delta.content]) > 1
    thoughts = "".join((d.model_extra or {}).get("reasoning_content", "") for d in deltas)
    assert thoughts == ('Look.\ndouble {"n": 3}\n6\nDone.' if shown else "")
    assert [c.choices[0].finish_reason for c in chunks[-2:]] == [None, "stop"]
    assert last.choices == [] and last.usage.completion_tokens == sum(map(len, EPISODE))
    assert len({chunk.id for chunk in [*chunks, last]}) == 1


def test_the_clients_tools_whole():
    engine = Talker(scripted(*EPISODE))
    with serving(engine, BOX) as running:
        client, messages = running.client(), [user()]
        first = client.chat.completions.create(model="small", messages=messages, tools=[tool()])
        choice = first.choices[0]
        assert choice.finish_reason == "tool_calls" and choice.message.content is None
        [call] = choice.message.tool_calls
        assert (call.type, call.function.name) == ("function", "double")
        assert json.loads(call.function.arguments) == {"n": 3}
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "6"}]
        last = client.chat.completions.create(model="small", messages=messages, tools=[tool()])
        assert last.choices[0].message.content == "It is 6."
    # The roles read what was said word for word, so all of it can be in the cache.
    planner, caller, later, summarizer = (engine.prompt(i) for i in range(4))
    assert later.startswith(planner + f'{CALLER}\ndouble {{"n": 3}}<|im_end|>')
    assert caller.endswith(CALLER + "\n") and "Result: 6" in summarizer


def test_the_clients_tools_streamed():
    with serving(Talker(scripted(*EPISODE)), show_thoughts=True) as running:
        chunks = list(
            running.client().chat.completions.create(
                model="small", messages=[user()], tools=[tool()], stream=True
            )
        )
    calls = [call for c in chunks for call in c.choices[0].delta.tool_calls or []]
    assert [call.index for call in calls] == [0] and calls[0].id
    assert json.loads("".join(call.function.arguments for call in calls)) == {"n": 3}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert not any(chunk.choices[0].delta.content for chunk in chunks)


def test_a_call_that_the_whole_schema_refuses_stays_inside():
    schema = {**PARAMETERS, "properties": {"n": {"not": {"const": 3}}}}
    engine = Talker(scripted(CALLER, 'double {"n": 3}', CALLER, 'double {"n": 4}', DONE, "8."))
    with serving(engine) as running:
        messages = [user()]
        made = running.client().chat.completions.create(
            model="small", messages=messages, tools=[tool(parameters=schema)]
        )
        [call] = made.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"n": 4}
        messages += [
            made.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "8"},
        ]
        running.client().chat.completions.create(
            model="small", messages=messages, tools=[tool(parameters=schema)]
        )
    # Later turns still read what was tried first.
    assert 'double {"n": 3}' in engine.prompt(-1) and "Error: " in engine.prompt(-1)


def test_a_pattern_that_backtracks_for_hours_costs_one_call():
    """A grammar cannot hold its look-ahead, so it is checked, in bounded time."""
    slow = {"n": {"type": "string", "pattern": "^(?!x)(a|aa)+$"}}
    letters = "a" * 60
    turns = (CALLER, f'double {{"n": "{letters}!"}}', CALLER, f'double {{"n": "{letters}"}}')
    engine = Talker(scripted(*turns))
    with serving(engine) as running:
        made = running.client().chat.completions.create(
            model="small",
            messages=[user()],
            tools=[tool(parameters={"type": "object", "properties": slow})],
        )
        [call] = made.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"n": letters}
    assert "takes longer than 0.25 s to check" in engine.prompt(2)


def test_loops_are_noticed_across_requests():
    engine = Talker(scripted(*[CALLER, 'double {"n": 3}'] * 3))
    with serving(engine) as running:
        client, messages, reasons = running.client(), [user()], []
        for _ in range(3):
            made = client.chat.completions.create(model="small", messages=messages, tools=[tool()])
            reasons.append(made.choices[0].finish_reason)
            if made.choices[0].message.tool_calls:
                call_id = made.choices[0].message.tool_calls[0].id
                said = {"role": "tool", "tool_call_id": call_id, "content": "6"}
                messages += [made.choices[0].message, said]
    assert reasons == ["tool_calls", "tool_calls", "stop"]
    assert "double was called 2 times in a row" in made.choices[0].message.content


def test_a_limit_on_calls_counts_those_of_earlier_requests():
    with serving(
        Talker(scripted(CALLER, 'double {"n": 3}', CALLER)), bounds=Bounds(max_calls=1)
    ) as running:
        client = running.client()
        first = client.chat.completions.create(model="small", messages=[user()], tools=[tool()])
        message = first.choices[0].message
        said = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "6"}
        last = client.chat.completions.create(
            model="small", messages=[user(), message, said], tools=[tool()]
        )
    assert last.choices[0].finish_reason == "length"
    assert "more than 1 calls" in last.choices[0].message.content


def test_a_conversation_keeps_what_the_client_never_saw():
    engine = Talker(scripted(*EPISODE, DONE, "Still 6."))
    with serving(engine, BOX) as running:
        client, messages = running.client(), [user()]
        first = client.chat.completions.create(model="small", messages=messages)
        messages += [first.choices[0].message, user("Sure?")]
        client.chat.completions.create(model="small", messages=messages)
        assert 'double {"n": 3}<|im_end|>' in engine.prompt(4) and "Result: 6" in engine.prompt(4)
        assert engine.prompt(4).startswith(engine.prompt(2) + DONE + "\nIt is 6.")


def test_an_edited_history_is_read_as_it_now_is():
    engine = Talker(scripted(*EPISODE, DONE, "It is 8."))
    with serving(engine, BOX) as running:
        client = running.client()
        client.chat.completions.create(model="small", messages=[user()])
        edited = [user(), {"role": "assistant", "content": "It is 7."}, user("Sure?")]
        client.chat.completions.create(model="small", messages=edited)
    assert "It is 7." in engine.prompt(4) and "It is 6." not in engine.prompt(4)
    assert "Result: 6" not in engine.prompt(4)


def test_an_episode_without_an_answer_says_why():
    with serving(Talker(scripted(GIVE_UP, "no speaker"))) as running:
        client = running.client()
        made = client.chat.completions.create(model="small", messages=[user()])
        assert made.choices[0].message.content == "No." and made.choices[0].finish_reason == "stop"
        made = client.chat.completions.create(model="small", messages=[user()])
        assert made.choices[0].message.content.startswith("No answer: ")


def test_messages_that_do_not_fit_are_refused_before_the_stream_begins():
    engine = Talker(scripted())
    engine.n_ctx = 300
    with serving(engine) as running:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as raised:
                running.client().chat.completions.create(
                    model="small", messages=[user("long " * 100)], stream=stream
                )
            assert raised.value.code == "context_length_exceeded"
            assert raised.value.param == "messages"


def test_a_long_history_is_elided_before_it_is_read():
    engine = Talker(scripted(DONE, "It is 6."))
    engine.n_ctx = 10_000
    called = {"type": "function", "function": {"name": "double", "arguments": "{}"}}
    messages: list[Any] = [user()]
    for at in range(45):
        said = {"role": "assistant", "content": "Go.", "tool_calls": [{**called, "id": f"c{at}"}]}
        messages += [said, {"role": "tool", "tool_call_id": f"c{at}", "content": f"{at} " * 1300}]
    with serving(engine, bounds=Bounds(max_observation_chars=4000, repeats=1)) as running:
        answer = running.post({"messages": messages, "tools": [tool(parameters=None)]})
        assert answer.status_code == 200, answer.text
        # What is no result cannot be left out.
        answer = running.post({"messages": [*messages, user("And?" * 40_000)]})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "context_length_exceeded"
    prompt = engine.prompt(0)
    assert "Result: [elided]" in prompt and "44 44 44" in prompt and "43 43 43" not in prompt


def test_of_many_tools_of_the_client_those_that_fit_are_offered():
    names = [
        f"{verb}_{noun}" for verb in ("list", "drop", "make") for noun in ("cat", "dog", "cow")
    ]
    tools = [tool(name, description=name.replace("_", " a ")) for name in [*names, "double"]]
    engine = Talker(scripted(CALLER, 'double {"n": 3}', DONE, "It is 6."))
    with serving(engine, bounds=Bounds(max_tools=2)) as running:
        client, messages = running.client(), [user("Please double it: 3.")]
        first = client.chat.completions.create(model="small", messages=messages, tools=tools)
        [call] = first.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"n": 3}
        messages += [
            first.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "6"},
        ]
        last = client.chat.completions.create(model="small", messages=messages, tools=tools)
        assert last.choices[0].message.content == "It is 6."
        taken = running.post({"messages": messages[:1], "tools": [*tools, tool("search_tools")]})
        assert taken.status_code == 400 and taken.json()["error"]["param"] == "tools"
    assert "double(" in engine.prompt(0) and "list_cat(" not in engine.prompt(0)
    # The same tools are offered again, so what was read stays of use.
    assert engine.prompt(2).startswith(engine.prompt(0))
