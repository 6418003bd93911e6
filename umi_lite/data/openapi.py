"""Converts an OpenAPI operation to a tool, as ToolAlpaca has them."""

from typing import Any

from umi_lite.data.rows import BadRow
from umi_lite.data.tool_specs import make_tool
from umi_lite.protocol.schema_parts import spread
from umi_lite.protocol.trajectory import Tool

_KEPT = (
    *("type", "description", "enum", "format", "default", "minimum", "maximum", "items"),
    *("nullable", "anyOf", "oneOf", "allOf"),
)
_DEPTH = 6


class _Circle(BadRow):
    """A reference that leads back to itself."""


def tool_of(spec: dict[str, Any], name: str, path: str, method: str) -> Tool:
    """Return the operation at `path` and `method` as a tool, parameters and body fields together.

    `required` is what the document requires: a parameter marked so, or a body field that the
    body's schema lists.

    Raises:
        BadRow: the document lacks the operation, or does not describe it.
    """
    operation = _at(spec, "paths", path, method.lower())
    properties: dict[str, Any] = {}
    required: list[str] = []
    for given in operation.get("parameters") or []:
        parameter = _resolved(spec, given)
        if not isinstance(parameter.get("name"), str):
            raise BadRow(f"a parameter of {name!r} has no name")
        key = parameter["name"]
        schema = _schema(spec, parameter.get("schema") or parameter, _DEPTH)
        if isinstance(parameter.get("description"), str):
            schema["description"] = parameter["description"]
        properties[key] = schema
        required += [key] if parameter.get("required") is True else []
    body = spread(_body(spec, operation), {})
    properties |= body.get("properties", {})
    required += [key for key in body.get("required", []) if key in properties]
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = list(dict.fromkeys(required))
    description = operation.get("description") or operation.get("summary") or ""
    return make_tool(name, str(description), parameters)


def _body(spec: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = _resolved(spec, operation.get("requestBody") or {}).get("content")
    if not isinstance(content, dict):
        return {}
    first = next((kind for kind in content.values() if isinstance(kind, dict)), {})
    return _schema(spec, first.get("schema") or {}, _DEPTH)


def _at(spec: dict[str, Any], *keys: str) -> dict[str, Any]:
    node: Any = spec
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        raise BadRow(f"the OpenAPI document has no {' '.join(keys[1:])}")
    return node


def _resolved(spec: dict[str, Any], node: Any) -> dict[str, Any]:
    """Return the node that a `$ref` names, e.g. `#/components/schemas/Order`."""
    for _ in range(_DEPTH):
        if not isinstance(node, dict):
            raise BadRow("the OpenAPI document has a parameter that is not an object")
        if not isinstance(node.get("$ref"), str):
            return node
        node = _at(spec, *node["$ref"].removeprefix("#/").split("/"))
    raise _Circle("the OpenAPI document refers to itself")


def _schema(spec: dict[str, Any], node: Any, depth: int) -> dict[str, Any]:
    """Return a schema without references; circles and what nests below `depth` stay open."""
    if depth == 0:
        return {}
    try:
        found = _resolved(spec, node)
    except _Circle:
        return {}
    made = {key: found[key] for key in _KEPT if key in found}
    if isinstance(made.get("items"), dict):
        made["items"] = _schema(spec, made["items"], depth - 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in made and not isinstance(made[key], list):
            del made[key]
        elif key in made:
            made[key] = [_schema(spec, part, depth - 1) for part in made[key]]
    if isinstance(found.get("properties"), dict):
        made["properties"] = {
            key: _schema(spec, value, depth - 1) for key, value in found["properties"].items()
        }
    if isinstance(found.get("required"), list):
        made["required"] = [key for key in found["required"] if isinstance(key, str)]
    return made
