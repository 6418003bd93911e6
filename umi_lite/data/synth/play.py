"""Plays a task's gold calls on its tools, and writes what the roles say."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from umi_lite.data.source import GIVE_UP
from umi_lite.data.synth import requests
from umi_lite.data.synth.answers import answer_of
from umi_lite.data.synth.catalog import thing_of
from umi_lite.data.synth.generic import generic
from umi_lite.data.synth.names import human
from umi_lite.data.synth.parts import Misfit, Part
from umi_lite.data.synth.simulate import Simulator
from umi_lite.data.synth.tasks import CHAINS, Draft
from umi_lite.protocol.roles import plain_text
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step

# A thought is at most 400 letters long; longer texts are left to the caller, who sees them.
_LONGEST_THOUGHT, _LONGEST_VALUE = 300, 48


def play(draft: Draft, box: Simulator) -> tuple[list[Step], str]:
    """Return the steps and the gold answer."""
    steps: list[Step] = []
    made = draft.parts[0].made
    if draft.kind == "unsupported":
        wording = generic(made.tool.name, made.tool.description)
        can = made.wording is None and not wording.query
        thought = (
            f"No tool can {wording.imperative}." if can else f"No tool gives {thing_of(made)}."
        )
        return [Plan(thought=thought, next="give_up")], GIVE_UP
    if draft.kind == "missing":
        part = draft.parts[0]
        thought = f"No tool can be used, {made.tool.name} needs {part.omitted}."
        return [Plan(thought=thought, next="give_up")], GIVE_UP
    results: list[Mapping[str, Any]] = []
    answers: list[tuple[str, list[str]]] = []
    for at, part in enumerate(draft.parts):
        arguments = {name: one.value for name, one in part.drawn.items()}
        for name, link in part.links.items():
            arguments[name] = results[-1][link.field]
        if part.compute is not None:
            arguments |= part.compute(results[-1])
        arguments = {
            name: arguments[name] for name in [*part.properties, *arguments] if name in arguments
        }
        then = draft.parts[at + 1].made.tool.name if at + 1 < len(draft.parts) else "answer"
        seen = _call(steps, box, part, arguments, then, "")
        if draft.kind == "retry" and draft.retried is not None:
            name = str(draft.faults[0].argument)
            arguments[name] = draft.retried.value
            seen = _call(steps, box, part, arguments, then, f"Retry: wrong {human(name)}, ")
        if draft.kind == "dead_end":
            steps.append(Plan(thought=f"No tool helps, {seen.content}.", next="give_up"))
            return steps, GIVE_UP
        if seen.error:
            raise Misfit(f"a call failed: {seen.content[:80]}")
        result, returns = _result(draft, part, box, seen)
        results.append(result)
        text, golds = answer_of(draft.rng, part, arguments, result, returns)
        if len([one for one in draft.parts if one.made is part.made]) > 1 and not part.links:
            about = _about(part, arguments, golds)
            text = requests.capital(about) + (requests.lowered(text) if about else text)
        answers.append((text, golds))
    if draft.kind in CHAINS or draft.kind in ("settings", "computed"):
        answers = answers[-1:]
    steps.append(Plan(thought="Done.", next="summarizer"))
    steps.append(Answer(text=requests.tidy(" ".join(text for text, _ in answers))))
    return steps, " | ".join(gold for _, golds in answers for gold in golds)


def _about(part: Part, arguments: Mapping[str, Any], golds: Sequence[str]) -> str:
    """Return what an answer's sentence is about, where a tool is used for several things."""
    texts = [
        value
        for name, value in arguments.items()
        if name not in part.drawn or part.drawn[name].kind != "enum"
        if isinstance(value, str) and 2 < len(value) <= 30 and not value[:4].isdigit()
    ]
    texts = [text for text in texts if text not in golds]
    return f"{texts[0]}: " if texts else ""


def _result(
    draft: Draft, part: Part, box: Simulator, seen: Observation
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return a result's fields and their kinds."""
    name = part.made.tool.name
    if part.made.function is None:
        return box.last, draft.catalog.returns[name]
    if len(seen.content) > 120 or "\n" in seen.content:
        raise Misfit("a real result is too long to be judged")
    return {"result": seen.content}, {"result": "text"}


def _call(
    steps: list[Step], box: Simulator, part: Part, arguments: Mapping[str, Any], then: str, why: str
) -> Observation:
    name = part.made.tool.name
    call = Call(tool=name, arguments=dict(arguments))
    if call in steps:
        raise Misfit("the same call twice, which an agent's bounds take for being stuck")
    seen = box.call(call)
    steps += [
        Plan(thought=f"{why}{intent(name, arguments)}, then {then}.", next="caller"),
        call,
        seen,
    ]
    return seen


def intent(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return what a thought says of the next call: the tool, and the short ones of its values."""
    shown = {name: _short(value) for name, value in arguments.items()}
    if not shown:
        return f"use {tool}"
    if len(shown) == 1:
        ((name, text),) = shown.items()
        # One in three is written as several values are: a planner that has begun so would
        # otherwise make up a second one.
        if not text or crc32(f"{tool} {text}".encode()) % 3:
            return f"use {tool} for {text or name}"
    said = ", ".join(f"{name}={text}" if text else name for name, text in shown.items())
    if len(said) > _LONGEST_THOUGHT:
        said = ", ".join(shown)[:_LONGEST_THOUGHT]
    return f"use {tool}: {said}"


def _short(value: Any) -> str:
    """Return a value as a thought says it, "" for a long one."""
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(v, dict | list) for v in value)
    ):
        return ""
    text = " and ".join(map(_short, value)) if isinstance(value, list) else plain_text(value)
    return text if len(text) <= _LONGEST_VALUE else ""
