"""What the keywords of a schema can have for values, in whatever dialect it is written."""

import json
from collections.abc import Iterable
from typing import Any

from umi_lite.protocol.alternatives import ALTERNATIVES
from umi_lite.protocol.patterns import translated
from umi_lite.protocol.type_names import JSON_TYPE, named_type
from umi_lite.protocol.values import list_of, object_of

Schema = dict[str, Any]
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = {
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
}
_TEXTS = {"title", "description", "format", "pattern", "$comment"}
_FLAGS = {"uniqueItems", "deprecated", "readOnly", "writeOnly"}


def fix_values(out: Schema) -> None:
    """Keep the values that a keyword can have: numbers, counts, lists, patterns."""
    for low, high in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        # Draft 4: `exclusiveMinimum: true` says that `minimum` itself is not allowed.
        if isinstance(strict := out.get(high), bool):
            del out[high]
            if strict and low in out:
                out[high] = out.pop(low)
    for key in _NUMBERS:
        if key in out:
            set_or_drop(out, key, _number(out[key]))
    if out.get("multipleOf", 1) <= 0:
        del out["multipleOf"]
    for key in _COUNTS & out.keys():
        count = _number(out[key])
        set_or_drop(out, key, int(count) if count is not None and count >= 0 == count % 1 else None)
    if "enum" in out and not (isinstance(out["enum"], list) and out["enum"]):
        del out["enum"]
    for key in _TEXTS & out.keys():
        set_or_drop(out, key, out[key] if isinstance(out[key], str) else None)
    for key in _FLAGS & out.keys():
        set_or_drop(out, key, out[key] if isinstance(out[key], bool) else None)
    if "examples" in out and not isinstance(out["examples"], list):
        del out["examples"]
    if "pattern" in out:
        out["pattern"] = translated(out["pattern"])


def fix_required(out: Schema) -> None:
    """Make `required` a list of names: it may be on the properties, as in draft 3."""
    given = out.get("required")
    names = listed(given)
    if (properties := object_of(out.get("properties"))) is not None:
        kept: Schema = {}
        for name, part in properties.items():
            facts = object_of(part)
            if facts is not None and isinstance(facts.get("required"), bool | None):
                names += [name] if facts.get("required") else []
                part = {key: value for key, value in facts.items() if key != "required"}
            kept[name] = part
        out["properties"] = kept
    if names or isinstance(given, list):
        # In its place, so that a well-formed schema is written as it was.
        out["required"] = list(dict.fromkeys(names))
    else:
        out.pop("required", None)


def fix_older(out: Schema) -> None:
    """Write drafts 4 to 7 as 2020-12: `items` as a list, `dependencies`."""
    if isinstance(out.get("items"), list):
        out["prefixItems"] = out.pop("items")
        if "additionalItems" in out:
            out["items"] = out.pop("additionalItems")
    out.pop("additionalItems", None)
    for name, needs in (object_of(out.pop("dependencies", None)) or {}).items():
        key = "dependentRequired" if isinstance(needs, list) else "dependentSchemas"
        out[key] = {**(object_of(out.get(key)) or {}), name: needs}
    if "dependentRequired" in out:
        needed = object_of(out["dependentRequired"]) or {}
        kept = {name: listed(needs) for name, needs in needed.items() if isinstance(needs, list)}
        set_or_drop(out, "dependentRequired", kept or None)


def fix_type(out: Schema) -> None:
    """Name JSON's types; where no value of the enum has one, the enum counts."""
    given = out.get("type")
    names = listed(given)
    if given is not None and not (names and all(JSON_TYPE.get(name) == name for name in names)):
        del out["type"]
        read = [named_type(name) for name in names]
        if read and all(part.keys() == {"type"} for part in read):
            kinds = [kind for part in read for kind in listed(part["type"])]
            out["type"] = kinds[0] if isinstance(given, str) and len(kinds) == 1 else kinds
        elif len(read) == 1:
            out |= {key: value for key, value in read[0].items() if key not in out}
    kinds = list(dict.fromkeys(listed(out.get("type"))))
    if isinstance(out.get("type"), list):
        out["type"] = kinds
    if "enum" not in out or not kinds or any(_has_type(value, kinds) for value in out["enum"]):
        return
    if kinds == ["array"] and isinstance(out.get("items", {}), dict):
        # The choices of its items, as BFCL writes them.
        out["items"] = {**out.get("items", {}), "enum": out.pop("enum")}
    else:
        del out["type"]


def allow_null(out: Schema) -> Schema:
    """Allow null where OpenAPI's `nullable` does."""
    if not isinstance(allowed := out.pop("nullable", False), bool) or not allowed:
        return out
    if "type" in out:
        out["type"] = list(dict.fromkeys([*listed(out["type"]), "null"]))
        return out
    held = {key: out.pop(key) for key in ("$ref", *ALTERNATIVES) if key in out}
    return {**out, "anyOf": [held, {"type": "null"}]} if held else out


def _has_type(value: Any, kinds: Iterable[str]) -> bool:
    match value:
        case None:
            return "null" in kinds
        case bool():
            return "boolean" in kinds
        case int():
            return "integer" in kinds or "number" in kinds
        case float():
            return "number" in kinds or ("integer" in kinds and value.is_integer())
        case str():
            return "string" in kinds
        case list():
            return "array" in kinds
        case _:
            return "object" in kinds


def listed(kind: Any) -> list[str]:
    """Return a name or a list of names (types, arguments) as a list, without what is not text."""
    given = list_of(kind)
    return [name for name in ([kind] if given is None else given) if isinstance(name, str)]


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < float("inf") else None


def set_or_drop(out: Schema, key: str, value: Any) -> None:
    """Set a keyword, or drop it for None."""
    if value is None:
        del out[key]
    else:
        out[key] = value
