"""BFCL's possible answers as calls: what a right agent would say, to test the scoring itself."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from umi_lite.protocol.constraints import Check
from umi_lite.protocol.trajectory import Call, Trajectory

# A possible answer that says: this argument may be left out.
_LEFT_OUT = ""


def gold_calls(task: Trajectory) -> list[Call]:
    """Return calls that answer a single-turn task, each argument by one of its possible values.

    It is the first that the tool's schema allows. Without such a value the argument is left out
    where it may be, else it has the first one. A task that no call fits has no calls;
    live_relevance, which has no answers, gets a call of its first tool.
    """
    category = task.meta["split"]
    if category.endswith("irrelevance"):
        return []
    if category.endswith("relevance"):
        return [Call(tool=task.tools[0].name)]
    tools = {tool.name: tool for tool in task.tools}
    calls: list[Call] = []
    for answer in task.meta["answers"]:
        for name, accepted in answer.items():
            schemas = tools[name].parameters["properties"]
            write = _writer(task, name)
            arguments = {
                key: _choices(values, partial(write, key), schemas.get(key, {}))
                for key, values in accepted.items()
            }
            given = {key: values[0] for key, values in arguments.items() if values}
            calls.append(Call(tool=name, arguments=given))
    return calls


def _choices(values: list[Any], write: Callable[[Any], Any], schema: dict[str, Any]) -> list[Any]:
    """Return an argument's possible values, written; those that its schema allows, if any."""
    check = Check({"type": "object", "properties": {"value": schema}})
    made = [write(_inner(value)) for value in values if value != _LEFT_OUT]
    fitting = [value for value in made if check.fault({"value": value}) is None]
    return fitting if fitting or _LEFT_OUT in values else made


def _inner(value: Any) -> Any:
    """Return a possible value; what is in an object is given by possible values too."""
    if isinstance(value, list):
        return [_inner(item) for item in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, values in value.items():
        if not isinstance(values, list):
            # Some answers give one value alone.
            found[name] = values
        elif given := [each for each in values if each != _LEFT_OUT]:
            found[name] = _inner(given[0])
    return found


def _writer(task: Trajectory, name: str) -> Callable[[str, Any], Any]:
    """Return a function of an argument's name and its value, as a call must write it."""
    write = _WRITERS.get(task.meta["split"])
    if write is None:
        return lambda _, value: value
    functions = task.meta["entry"]["function"]
    found = next(function for function in functions if function["name"] == name)
    parts = found["parameters"]["properties"]
    return lambda key, value: write(value, parts[key])


def _java(value: Any, part: dict[str, Any]) -> str:
    """Return a value as a Java expression, as the package's converter reads it."""
    kind, inner = part["type"], (part.get("items") or {}).get("type")
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if kind == "Array":
            # The converter keeps the quotes of an Array's texts.
            items = ", ".join(
                item if isinstance(item, str) else _java_value(item, inner) for item in value
            )
            return f"new {inner}[]{{{items}}}"
        items = ", ".join(_java_value(item, inner) for item in value)
        return f"new ArrayList<{inner}>(Arrays.asList({items}))"
    if isinstance(value, dict):
        puts = " ".join(f"put({json.dumps(k)}, {_java_value(v)});" for k, v in value.items())
        return f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    return _java_value(value, kind)


def _java_value(value: Any, kind: str | None = None) -> str:
    suffix = {"long": "L", "float": "f"}.get(kind or "", "")
    return f"{json.dumps(value)}{suffix}"


def _javascript(value: Any, part: dict[str, Any]) -> str:
    """Return a value as a JavaScript expression, as the package's converter reads it."""
    if isinstance(value, str):
        return value
    return json.dumps(value) + ("n" if part["type"] == "Bigint" else "")


_WRITERS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "simple_java": _java,
    "simple_javascript": _javascript,
}
