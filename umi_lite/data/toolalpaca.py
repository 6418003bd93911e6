"""ToolAlpaca (Tang et al. 2023, Apache-2.0): simulated APIs with what users ask of them.

`train_data.json` has `Instances` with intermediate steps; the evaluation files (`eval_*.json`)
have `Instructions` with `Golden_Answers` and no steps. What is left out of training is what the
official build_dataset.py leaves out: instances without steps, with more than five, and those that
only ask the user for details.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from umi_lite.data.openapi import tool_of
from umi_lite.data.read_rows import list_rows
from umi_lite.data.rows import (
    BadRow,
    Dropped,
    HubData,
    Loaded,
    Place,
    checked,
    collect,
    stem,
    typed_field,
)
from umi_lite.data.source import Source
from umi_lite.data.strict_json import BadJson, parse, parse_loose
from umi_lite.data.window import opened
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Tool, Trajectory

_WHAT = "ToolAlpaca's APIs"
_MAX_STEPS = 5
_HEAD = 4096
_OPTIONAL = "[Optional]"
_NO_THOUGHT = "I can answer the user now."
_ACTION = re.compile(r"\n?\s*(?:ASSISTANT )?Action:")
_BAD_STATUS = re.compile(r"Status Code: [45]\d\d")
GET_DETAILS = Tool(
    name="getDetails",
    description="Ask the user for information that is missing and needed.",
    parameters={
        "type": "object",
        "properties": {"Question": {"type": "string", "description": "what to ask the user"}},
        "required": ["Question"],
    },
)


class _Made(NamedTuple):
    instruction: str
    steps: tuple[Step, ...]
    meta: dict[str, Any]


_Item = Callable[[tuple[Tool, ...]], _Made]
_Items = Callable[[dict[str, Any]], list[_Item]]


def load(path: Place, n: int | None = None) -> Loaded:
    """Return the instances of training data as trajectories, at most `n`.

    A record is one API; `meta.record` counts them from 1 and `meta.instance` its instances.
    `Dropped.where` is "file:record.instance". Of ToolAlpaca's evaluations of
    models (`{API: [verdicts], "statistics"}`) every verdict is dropped.

    Raises:
        UserError: the file cannot be read or is not a JSON list.
    """
    return collect(_made(path, _instances), n)


def tasks(path: Place, n: int | None = None) -> Loaded:
    """Return the instructions of evaluation data as tasks without steps, at most `n`.

    `meta.golden` are the golden calls: `{"tool", "arguments", "optional"}`, arguments being the
    text that the file has (it may hold places to fill in, `${ip from getDetails}`).

    Raises:
        UserError: as `load`.
    """
    return collect(_made(path, _tasks), n)


def _made(path: Place, items: _Items) -> Iterator[Trajectory | Dropped]:
    if (verdicts := _verdicts(path)) is not None:
        reason = "a judge's verdict on a model's output: never training data"
        yield from (Dropped(f"{path}:{name}.{i}", reason) for name, i in verdicts)
        return
    for row in list_rows(path, _WHAT):
        try:
            api = checked(row)
            name, tools, found = typed_field(api, "Name", str), _tools(api), items(api)
        except BadRow as err:
            yield Dropped(row.where, str(err))
            continue
        for number, item in enumerate(found, start=1):
            try:
                made = item(tools)
            except BadRow as err:
                yield Dropped(f"{row.where}.{number}", str(err))
                continue
            yield Trajectory(
                id=f"toolalpaca-{stem(path)}-{row.number}.{number}",
                source="toolalpaca",
                tools=tools,
                instruction=made.instruction,
                steps=made.steps,
                meta={"record": row.number, "instance": number, "api": name, **made.meta},
            )


def _verdicts(place: Place) -> list[tuple[str, int]] | None:
    """Return the places in an evaluation's output `{API: [verdicts], ...}`; None for data."""
    if isinstance(place, HubData):
        return None
    with opened(Path(place), _WHAT) as file:
        if not file.read(_HEAD).lstrip().startswith(b"{"):
            return None
    with opened(Path(place), _WHAT) as file:
        data = file.read()
    try:
        value = parse(data.decode("utf-8"))
    except (BadJson, UnicodeDecodeError):
        return None
    if not isinstance(value, dict) or "statistics" not in value:
        return None
    lists = {name: found for name, found in value.items() if isinstance(found, list)}
    return [(name, i) for name, found in lists.items() for i in range(1, len(found) + 1)]


def _instances(api: dict[str, Any]) -> list[_Item]:
    if "Instances" in api:
        return [partial(_instance, value) for value in typed_field(api, "Instances", list)]
    return [_without_steps for _ in typed_field(api, "Instructions", list)]


def _tasks(api: dict[str, Any]) -> list[_Item]:
    instructions = typed_field(api, "Instructions", list)
    golden = typed_field(api, "Golden_Answers", list)
    if len(golden) != len(instructions):
        raise BadRow("the Golden_Answers are not as many as the Instructions")
    return [partial(_task, *pair) for pair in zip(instructions, golden, strict=True)]


def _without_steps(tools: tuple[Tool, ...]) -> _Made:
    raise BadRow("an evaluation task: it has no steps to train on")


def _task(instruction: Any, golden: Any, tools: tuple[Tool, ...]) -> _Made:
    if not isinstance(instruction, str) or not instruction.strip():
        raise BadRow("an instruction is not text")
    if not isinstance(golden, list) or not all(isinstance(call, dict) for call in golden):
        raise BadRow("a golden answer is not a list of calls")
    calls = [_golden(call) for call in golden]
    return _Made(instruction, (), {"golden": calls})


def _golden(call: dict[str, Any]) -> dict[str, Any]:
    name = typed_field(call, "Action", str)
    return {
        "tool": name.removeprefix(_OPTIONAL),
        "arguments": typed_field(call, "Action_Input", str),
        "optional": name.startswith(_OPTIONAL),
    }


def _instance(instance: Any, tools: tuple[Tool, ...]) -> _Made:
    if not isinstance(instance, dict):
        raise BadRow("an instance is not a JSON object")
    if not instance.get("intermediate_steps"):
        raise BadRow("the instance has no intermediate steps")
    done = typed_field(instance, "intermediate_steps", list)
    if len(done) > _MAX_STEPS:
        raise BadRow(f"the instance has more than {_MAX_STEPS} steps")
    known = {tool.name for tool in tools}
    steps: list[Step] = [step for one in done for step in _step(one, known)]
    if {step.tool for step in steps if isinstance(step, Call)} == {GET_DETAILS.name}:
        raise BadRow("the instance only asks the user for details")
    last = instance.get("Final Thought")
    thought = _thought(last) if isinstance(last, str) and last.strip() else _NO_THOUGHT
    steps += [
        Plan(thought=thought, next="summarizer"),
        Answer(text=typed_field(instance, "output", str)),
    ]
    # The hint was for who played the user.
    instruction = typed_field(instance, "input", str).rpartition("\nHint: ")
    return _Made((instruction[0] or instruction[2]).strip(), tuple(steps), {})


def _step(step: Any, known: set[str]) -> tuple[Plan, Call, Observation]:
    """Read `[[action, action input, all that was written], observation]`."""
    if not isinstance(step, list) or len(step) != 2 or not isinstance(step[0], list):
        raise BadRow("an intermediate step is not [[action, input, text], observation]")
    action, observation = step
    if len(action) != 3 or not isinstance(action[0], str) or not isinstance(action[2], str):
        raise BadRow("an intermediate step is not [[action, input, text], observation]")
    name = action[0].strip()
    if name not in known:
        raise BadRow("a step calls a tool that the API does not have")
    seen = observation if isinstance(observation, str) else json.dumps(observation)
    return (
        Plan(thought=_thought(action[2]), next="caller"),
        Call(tool=name, arguments=_arguments(action[1])),
        Observation(content=seen, error=_BAD_STATUS.match(seen) is not None),
    )


def _arguments(given: Any) -> dict[str, Any]:
    try:
        value = parse_loose(given) if isinstance(given, str) else given
    except BadJson:
        value = None
    if not isinstance(value, dict):
        raise BadRow("the arguments of a step's call are not a JSON object")
    return value


def _thought(text: str) -> str:
    """Return the text before the action, without the words that ask for it."""
    return _ACTION.split(text, maxsplit=1)[0].strip().removeprefix("Thought:").strip()


def _tools(api: dict[str, Any]) -> tuple[Tool, ...]:
    """Return `getDetails`, as officially, and the API's functions in their order."""
    try:
        spec = parse(typed_field(api, "Documentation", str))
    except BadJson as err:
        raise BadRow(f"the OpenAPI document is {err}") from None
    tools = [GET_DETAILS]
    for name, place in typed_field(api, "Function_Projection", dict).items():
        if not isinstance(place, list) or [type(part) for part in place] != [str, str]:
            raise BadRow("'Function_Projection' must have a path and a method a function")
        tools.append(tool_of(spec, name, place[0], place[1]))
    return tuple(tools)


SOURCE = Source(
    about="ToolAlpaca's train_data.json; its evaluation files as tasks (path, n)",
    load=load,
    questions=tasks,
    fits=lambda row: "Function_Projection" in row,
)
