"""The parts of a JSON Schema: what references, alternatives and conditions add to an object."""

from collections.abc import Iterator
from typing import Any, cast

Schema = dict[str, Any]
ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_DEPTH = 8


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
