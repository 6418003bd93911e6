"""What a request asks of its turns, by the official client: tools, ends, sampling, a schema."""

import json
from typing import Any

import openai
import pytest
from serving import CALLER, DONE, GIVE_UP, Talker, scripted, serving
from test_serve_clients import tool, user


def test_tool_choice():
    asked: list[str] = []

    def say(speaker: str, prompt: str) -> str:
        asked.append(speaker)
        if speaker == "planner":
            return CALLER if len(asked) % 2 else DONE
        return 'double {"n": 3}' if speaker == "caller" else "No call."

    engine = Talker(say)
    with serving(engine) as running:

        def ask(choice: Any, names: tuple[str, ...] = ("double", "halve")) -> list[str]:
            asked.clear()
            before = len(engine.asked)
            running.client().chat.completions.create(
                model="small", messages=[user()], tools=[tool(n) for n in names], tool_choice=choice
            )
            return [str(request.grammar) for request in engine.asked[before:]]

        planner, caller = ask("required")
        assert '"caller")' in planner.replace(" ", "") or '("caller")' in planner
        assert "summarizer" not in planner and "give_up" not in planner and "halve" in caller
        planner, caller = ask({"type": "function", "function": {"name": "double"}})
        assert "summarizer" not in planner and "halve" not in caller
        one = {"type": "function", "function": {"name": "double"}}
        allowed = {"mode": "auto", "tools": [one]}
        planner, caller = ask({"type": "allowed_tools", "allowed_tools": allowed})
        assert "summarizer" in planner and "halve" not in caller
        asked.append("planner")
        planner = ask("auto")[0]
        assert "summarizer" in planner and "caller" in planner


def test_no_call_is_possible_with_tool_choice_none():
    engine = Talker(scripted(DONE, "No call."))
    with serving(engine) as running:
        made = running.client().chat.completions.create(
            model="small", messages=[user()], tools=[tool()], tool_choice="none"
        )
    assert made.choices[0].message.content == "No call."
    # The docs of the tools are still read: what is cached of them stays of use.
    assert "caller" not in str(engine.asked[0].grammar) and "double(" in engine.prompt(0)


def test_stop_texts_end_the_answer_and_are_not_in_it():
    for stream in (False, True):
        engine = Talker(scripted(DONE, "It is 6.\nObs"), letters=1)
        with serving(engine) as running:
            made = running.client().chat.completions.create(
                model="small", messages=[user()], stop=["\nObs", "##"], stream=stream
            )
            if stream:
                text = "".join(chunk.choices[0].delta.content or "" for chunk in made)
            else:
                text = made.choices[0].message.content
        assert text == "It is 6."
        assert r"\x{a}Obs|\x{23}\x{23}" in str(engine.asked[1].grammar)


def test_max_tokens_are_those_of_all_turns():
    engine = Talker(scripted(DONE, "It is six, I thi…"))
    with serving(engine) as running:
        made = running.client().chat.completions.create(
            model="small", messages=[user()], max_tokens=40, max_completion_tokens=60
        )
        assert made.choices[0].finish_reason == "length"
        assert made.choices[0].message.content == "It is six, I thi…"
        assert [request.max_tokens for request in engine.asked] == [40, 40 - len(DONE)]
    with serving(Talker(scripted(DONE))) as running:
        made = running.client().chat.completions.create(
            model="small", messages=[user()], max_tokens=len(DONE)
        )
        assert made.choices[0].finish_reason == "length"


def test_sampling_of_a_request():
    engine = Talker(scripted(GIVE_UP, GIVE_UP))
    with serving(engine) as running:
        client = running.client()
        client.chat.completions.create(model="small", messages=[user()], temperature=0.7, seed=5)
        client.chat.completions.create(model="small", messages=[user()])
    assert [(r.temperature, r.seed) for r in engine.asked] == [(0.7, 5), (0.0, 0)]


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def form(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}


def test_an_answer_by_a_schema():
    turns = (DONE, '{"n": 6}', GIVE_UP, DONE, '{"n": 6}', DONE, '{"a": 1}')
    engine = Talker(scripted(*turns))
    with serving(engine) as running:
        client = running.client()

        def ask(schema: Any) -> Any:
            return client.chat.completions.create(
                model="small", messages=[user()], response_format=form(schema)
            )

        assert json.loads(ask(SCHEMA).choices[0].message.content) == {"n": 6}
        assert "%json" in str(engine.asked[1].grammar)
        given_up = ask(SCHEMA).choices[0].message
        assert given_up.content is None and given_up.refusal == "No."
        # What a grammar cannot hold is checked before the answer is sent.
        odd = {**SCHEMA, "properties": {"n": {"type": "integer", "not": {"const": 6}}}}
        with pytest.raises(openai.UnprocessableEntityError, match="breaks its schema"):
            ask(odd)
        made = client.chat.completions.create(
            model="small", messages=[user()], response_format={"type": "json_object"}
        )
        assert json.loads(made.choices[0].message.content) == {"a": 1}
