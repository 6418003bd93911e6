"""The roles' grammars, as llguidance's Lark text: what can be guaranteed is not learned.

A planner can only name a next speaker that exists; a caller can only name a tool that exists,
with arguments that its JSON Schema allows, keys in the schema's order, `", "` and `": "`
between them as `roles.dump_json` writes them.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from umi_lite.protocol.errors import UserError
from umi_lite.protocol.roles import NEXTS
from umi_lite.protocol.trajectory import Tool

# Keywords that llguidance enforces (its docs/json_schema.md) and those that constrain nothing.
_ENFORCED = {
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("properties", "required", "additionalProperties", "items", "prefixItems"),
    *("minItems", "maxItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions"),
}
_NOTES = {
    *("title", "description", "default", "examples", "example", "deprecated", "readOnly"),
    *("writeOnly", "$schema", "$id", "$comment"),
}
_FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
}
_NAME = re.compile(r"[A-Za-z0-9_.:/-]+")
# `oneOf` is held to `anyOf`: `_closed` lets it pass only where that is the same.
_OPTIONS = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "coerce_one_of": True,
}


def plan_grammar(max_thought_chars: int, *, tools: bool = True) -> str:
    """The planner's turn: one line of thought, then `Next: ` and a speaker.

    Args:
        max_thought_chars: the thought has 1 to this many characters.
        tools: False leaves the caller out of the speakers: there is nothing to call.
    """
    nexts = [name for name in NEXTS if tools or name != "caller"]
    speakers = " | ".join(f'"{name}"' for name in nexts)
    return f'start: /[^\\n]{{1,{max_thought_chars}}}/ "\\nNext: " ({speakers})'


def call_grammar(tools: Iterable[Tool]) -> str:
    """The caller's turn: a tool's name, a space, its arguments as one JSON object.

    Raises:
        UserError: no tools, a name that is not one plain word, two tools of one name, or a
            schema keyword that the grammar cannot enforce; the message names it.
    """
    rules: dict[str, str] = {}
    for tool in tools:
        if not _NAME.fullmatch(tool.name):
            raise UserError(
                f"tool {tool.name!r}: a name is letters, digits and _ . : / - without spaces"
            )
        if tool.name in rules:
            raise UserError(f"two tools are named {tool.name!r}; names must differ")
        schema = _closed(tool.parameters, f"tool {tool.name}", top=True) | {"x-guidance": _OPTIONS}
        rules[tool.name] = f'"{tool.name} " %json {json.dumps(schema)}'
    if not rules:
        raise UserError("no tools: a caller needs at least one tool to call")
    names = [f"call_{i}" for i in range(len(rules))]
    lines = [f"{name}: {rule}" for name, rule in zip(names, rules.values(), strict=True)]
    return "\n".join([f"start: {' | '.join(names)}", *lines])


def answer_grammar() -> str:
    """The summarizer's turn: any text that is not empty and does not begin with space."""
    return r"start: /\S(.|\n)*/"


def _closed(schema: Any, where: str, *, top: bool = False) -> Any:
    """The schema without notes, objects with named properties closed unless they say else."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise UserError(f"{where}: a schema is a JSON object, not {json.dumps(schema)}")
    given = cast("dict[str, Any]", schema)
    for keyword in given:
        if keyword not in _ENFORCED and keyword not in _NOTES:
            raise UserError(f"{where}: the schema keyword {keyword!r} cannot be enforced")
    if not _exclusive(given.get("oneOf", [])):
        raise UserError(
            f"{where}: the schema keyword 'oneOf' cannot be enforced: a value may match two of its "
            "schemas; use anyOf, or a type or enum in each that no other one has"
        )
    out = {key: value for key, value in given.items() if key in _ENFORCED}
    if out.get("format") not in _FORMATS:
        # A format nobody knows is a note in JSON Schema, and no constraint.
        out.pop("format", None)
    for key in ("properties", "$defs", "definitions"):
        if key in out:
            out[key] = {name: _closed(sub, f"{where}, {name}") for name, sub in out[key].items()}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = _closed(out[key], f"{where}, {key}")
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in out:
            out[key] = [_closed(sub, f"{where}, {key}") for sub in out[key]]
    if top:
        if out.setdefault("type", "object") != "object":
            raise UserError(f"{where}: parameters are of type object, not {out['type']!r}")
        out.setdefault("properties", {})
    if "properties" in out:
        out.setdefault("additionalProperties", False)
        missing = [name for name in out.get("required", ()) if name not in out["properties"]]
        if missing and out["additionalProperties"] is False:
            raise UserError(f"{where}: required {missing[0]!r} is not among the properties")
    return out


def _exclusive(schemas: list[Any]) -> bool:
    """Can a value match no two of them, by their types or their enums alone?"""
    kinds = [_kinds(schema) for schema in schemas]
    enums = [{_key(choice) for choice in _choices(schema)} for schema in schemas]
    return all(
        not kinds[i] & kinds[j] or (enums[i] and enums[j] and not enums[i] & enums[j])
        for i in range(len(schemas))
        for j in range(i)
    )


def _kinds(schema: Any) -> set[str]:
    """JSON types that a value of the schema can have; an integer is a number too."""
    choices = _choices(schema)
    if choices:
        return {_type(choice) for choice in choices}
    every = ["string", "number", "boolean", "null", "array", "object"]
    facts = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    told: str | list[str] = facts.get("type", every)
    names = [told] if isinstance(told, str) else told
    return {"number" if name == "integer" else name for name in names}


def _choices(schema: Any) -> list[Any]:
    """The values that a schema names; none where it names none."""
    facts = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    return [facts["const"]] if "const" in facts else facts.get("enum", [])


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _key(choice: Any) -> str:
    """Equal for equal values: 1 and 1.0 are one value in JSON Schema, 1 and true are not."""
    return json.dumps(float(choice) if type(choice) is int else choice, sort_keys=True)
