"""How much of each tool's schema generated tasks use: arguments, optional ones, enum values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from umi_lite.protocol.schema_parts import object_of, referred
from umi_lite.protocol.trajectory import Call, Tool, Trajectory

# Fields of objects in objects; deeper ones are rare, and those of a circle would not end.
_DEPTH = 3


@dataclass(frozen=True)
class Used:
    """`seen` of `total` that the schema has."""

    seen: int
    total: int

    def __str__(self) -> str:
        return f"{self.seen} of {self.total}" if self.total else "-"

    def __add__(self, other: "Used") -> "Used":
        return Used(self.seen + other.seen, self.total + other.total)


@dataclass(frozen=True)
class Coverage:
    """What the calls of one tool use of its schema, nested objects and arrays included.

    Attributes:
        calls: number of calls.
        arguments: arguments that a call has. optional: of those, the optional ones.
        choices: enum values that a call has.
    """

    calls: int
    arguments: Used
    optional: Used
    choices: Used


@dataclass
class _Parts:
    required: set[str] = field(default_factory=set[str])
    optional: set[str] = field(default_factory=set[str])
    choices: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


def coverage(tools: Iterable[Tool], tasks: Iterable[Trajectory]) -> dict[str, Coverage]:
    """Return the coverage of each tool by the gold calls of the tasks, by name."""
    calls: dict[str, list[Call]] = {tool.name: [] for tool in tools}
    for task in tasks:
        for step in task.steps:
            if isinstance(step, Call) and step.tool in calls:
                calls[step.tool].append(step)
    return {tool.name: _of(tool, calls[tool.name]) for tool in tools}


def _of(tool: Tool, calls: Iterable[Call]) -> Coverage:
    schema = tool.parameters
    defs = object_of(schema.get("$defs")) or {}
    has, used, count = _Parts(), _Parts(), 0
    _collect(has, "", schema, defs, _DEPTH)
    for call in calls:
        count += 1
        _collect_used(used, "", schema, call.arguments, defs, _DEPTH)
    optional = has.optional - has.required
    arguments = has.required | has.optional
    seen = used.required | used.optional
    return Coverage(
        count,
        Used(len(seen & arguments), len(arguments)),
        Used(len(seen & optional), len(optional)),
        Used(len(used.choices & has.choices), len(has.choices)),
    )


def _nodes(schema: Any, defs: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Yield a schema and its alternatives, references followed."""
    found = referred(schema, defs)
    if found is None or depth < 0:
        return
    yield found
    for key in ("anyOf", "oneOf", "allOf"):
        for part in found.get(key, ()):
            yield from _nodes(part, defs, depth - 1)


def _collect(parts: _Parts, path: str, schema: Any, defs: dict[str, Any], depth: int) -> None:
    for node in _nodes(schema, defs, depth):
        parts.choices |= {(path, json.dumps(value)) for value in node.get("enum", ())}
        required = node.get("required", ())
        for name, part in (object_of(node.get("properties")) or {}).items():
            inner = f"{path}.{name}"
            (parts.required if name in required else parts.optional).add(inner)
            if depth:
                _collect(parts, inner, part, defs, depth - 1)
        if depth and "items" in node:
            _collect(parts, f"{path}[]", node["items"], defs, depth - 1)


def _collect_used(
    parts: _Parts, path: str, schema: Any, value: Any, defs: dict[str, Any], depth: int
) -> None:
    for node in _nodes(schema, defs, depth):
        if value in node.get("enum", ()):
            parts.choices.add((path, json.dumps(value)))
        properties = object_of(node.get("properties")) or {}
        if isinstance(value, Mapping):
            for name in properties.keys() & value.keys():
                inner = f"{path}.{name}"
                parts.required.add(inner)
                if depth:
                    _collect_used(parts, inner, properties[name], value[name], defs, depth - 1)
        if isinstance(value, list) and depth and "items" in node:
            for item in value:
                _collect_used(parts, f"{path}[]", node["items"], item, defs, depth - 1)
