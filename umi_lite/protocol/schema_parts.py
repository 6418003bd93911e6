"""A JSON Schema's parts (references, alternatives, conditions) and the values of its keywords."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

Schema = dict[str, Any]
ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_DEPTH = 8

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = {
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
}
_TEXTS = {"title", "description", "format", "pattern", "$comment"}
_FLAGS = {"uniqueItems", "deprecated", "readOnly", "writeOnly"}
# JSON's types by the names that schemas give them: Python's, Java's, BFCL's, ToolBench's.
_NAMES = {
    "string": "string str text char character date datetime date-time time timestamp uuid url uri "
    "email enum",
    "integer": "integer int long short byte bigint int32 int64",
    "number": "number float double decimal numeric",
    "boolean": "boolean bool",
    "array": "array list tuple set sequence iterable arraylist vector",
    "object": "object dict dictionary map mapping hashmap hash json struct record",
    "null": "null none nonetype",
}
JSON_TYPE: dict[str, str] = {name: kind for kind, names in _NAMES.items() for name in names.split()}
# `List[int]`, `DATE (YYYY-MM-DD)`, `str, optional`: a name, and what it holds.
_HEAD = re.compile(r"\s*([\w-]+)\s*(?:\[(.*)\])?")
_OR = re.compile(r"\s*\|\s*|\s+or\s+")
# Patterns are written for JavaScript and checked by Python.
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
_CLASS_HYPHEN = re.compile(r"(\\[dDwWsS])-(?!\])")
_LITERAL = re.compile(r"/(\^.*\$)/")


def object_of(value: Any) -> dict[str, Any] | None:
    """Return the value if it is a JSON object, else None."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def list_of(value: Any) -> list[Any] | None:
    """Return the value if it is a JSON list, else None."""
    return cast(list[Any], value) if isinstance(value, list) else None


def spread(schema: Schema, defs: Schema) -> Schema:
    """Return the schema with the properties that its alternatives and conditions add to it.

    Where a branch of `anyOf`, `oneOf`, `allOf`, `then`, `else` or `dependentSchemas` has
    properties of its own, they are listed at the top too, and what all of the branches require is
    required there. The branches stay, for the check.
    """
    own: Schema = schema.get("properties", {})
    added = {name: parts for name, parts in of_branches(schema, defs).items() if name not in own}
    if not added:
        return schema
    merged = {
        name: parts[0] if len(parts) == 1 else {"anyOf": parts} for name, parts in added.items()
    }
    required = list(dict.fromkeys(_required(schema, defs, _DEPTH)))
    needed = {"required": required} if required else {}
    return {**schema, "properties": {**own, **merged}, **needed}


def of_branches(schema: Schema, defs: Schema) -> dict[str, list[Any]]:
    """Return the properties of an object's branches, each with its different schemas."""
    found: dict[str, list[Any]] = {}
    for branch in _branches(schema, defs, _DEPTH):
        for name, part in branch.get("properties", {}).items():
            if part not in found.setdefault(name, []):
                found[name].append(part)
    return found


def _branches(schema: Schema, defs: Schema, depth: int) -> Iterator[Schema]:
    parts = [part for key in ALTERNATIVES for part in schema.get(key, ())]
    parts += [schema[key] for key in ("then", "else") if key in schema]
    parts += schema.get("dependentSchemas", {}).values()
    for part in [*parts, *_adjacent(schema)]:
        found = referred(part, defs)
        if found is not None and depth:
            yield found
            yield from _branches(found, defs, depth - 1)


def _adjacent(schema: Schema) -> list[Schema]:
    """Return a reference that has properties next to it: both apply."""
    return [{"$ref": schema["$ref"]}] if "$ref" in schema and "properties" in schema else []


def _required(schema: Schema, defs: Schema, depth: int) -> Iterator[str]:
    """Yield what an object must have, by itself, all of `allOf` or each of the alternatives."""
    yield from schema.get("required", ())
    if not depth:
        return
    for part in [*schema.get("allOf", ()), *_adjacent(schema)]:
        yield from _required(referred(part, defs) or {}, defs, depth - 1)
    for key in ("anyOf", "oneOf"):
        parts = [referred(part, defs) or {} for part in schema.get(key, ())]
        named = [list(_required(part, defs, depth - 1)) for part in parts]
        if named:
            yield from (name for name in named[0] if all(name in other for other in named))


def referred(part: Any, defs: Schema) -> Schema | None:
    """Return the schema, or what it refers to; None if that is not an object."""
    for _ in range(_DEPTH):
        found = object_of(part)
        ref = None if found is None else found.get("$ref")
        if not isinstance(ref, str):
            return found
        part = defs.get(ref.removeprefix("#/$defs/"))
    return None


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


def named_type(text: str) -> dict[str, Any]:
    """Return the schema that a type's name means; {} for `any` and for unknown names.

    `dict` is an object, `float` a number, `List[int]` an array of integers, `Optional[str]` and
    `str | None` a string or null.
    """
    if "[" not in text and len(parts := _OR.split(text)) > 1:
        return either([named_type(part) for part in parts])
    found = _HEAD.match(text)
    if found is None:
        return {}
    head, inner = found[1].casefold(), found[2]
    if inner and head == "optional":
        return either([named_type(inner), {"type": "null"}])
    if inner and head == "union" and "[" not in inner:
        return either([named_type(part) for part in inner.split(",")])
    kind = JSON_TYPE.get(head)
    if kind is None:
        return {}
    if kind == "array" and inner and head != "tuple" and (items := named_type(inner)):
        return {"type": "array", "items": items}
    return {"type": kind}


def either(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a value that has one of the types, {} where one of them is open."""
    if not all(schemas):
        return {}
    if any(set(schema) != {"type"} for schema in schemas):
        return {"anyOf": schemas}
    kinds: list[str] = []
    for schema in schemas:
        kinds += schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = list(dict.fromkeys(kinds))
    return {"type": kinds[0] if len(kinds) == 1 else kinds}


def translated(pattern: str) -> str:
    r"""Return the pattern as Python writes it, where that is all that keeps it from compiling.

    `(?<year>` becomes `(?P<year>`, `[\w-.]` becomes `[\w\-.]`; `/^a$/` loses its slashes.
    """
    literal = _LITERAL.fullmatch(pattern)
    pattern = literal[1] if literal else pattern
    if fault(pattern) is None:
        return pattern
    changed = _CLASS_HYPHEN.sub(r"\1\\-", _NAMED_GROUP.sub("(?P<", pattern))
    return changed if fault(changed) is None else pattern


def fault(pattern: str) -> str | None:
    """Return why Python cannot compile the pattern, None where it can."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as err:
        return str(err)
    return None
