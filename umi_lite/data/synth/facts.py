"""A schema as one type of value: references followed, one alternative taken."""

from collections.abc import Mapping
from typing import Any

from umi_lite.data.synth.drawing import Drawing
from umi_lite.protocol.schema_parts import referred, spread

_DEPTH = 4


class CannotDraw(ValueError):
    """No value can be drawn for a schema. The message says for which argument and why."""


def facts_of(schema: Any, d: Drawing) -> dict[str, Any]:
    """Return a schema with its reference followed, one alternative taken and one type.

    Raises:
        CannotDraw: it allows nothing (`false`).
    """
    if schema is True or schema == {}:
        return {"type": "string"}
    found = referred(schema, dict(d.defs))
    if found is None:
        raise CannotDraw("its schema allows no value")
    facts = dict(found)
    for _ in range(_DEPTH):
        options = [
            part
            for key in ("anyOf", "oneOf")
            for part in facts.get(key, ())
            if part != {"type": "null"}
        ]
        if "properties" in facts or not options:
            break
        taken = referred(options[0], dict(d.defs)) or {}
        facts = {k: v for k, v in facts.items() if k not in ("anyOf", "oneOf")} | taken
    for part in facts.get("allOf", ()):
        facts = {**(referred(part, dict(d.defs)) or {}), **facts}
    if facts.get("type") in (None, "object"):
        facts = spread(facts, dict(d.defs))
    types = facts.get("type")
    if isinstance(types, list):
        facts["type"] = next((t for t in types if t != "null"), "null")
    if "type" not in facts:
        facts["type"] = _implied_type(facts)
    return facts


def _implied_type(facts: Mapping[str, Any]) -> str:
    if "properties" in facts:
        return "object"
    if "items" in facts:
        return "array"
    if facts.keys() & {"minimum", "maximum", "multipleOf"}:
        return "number"
    return "string"
