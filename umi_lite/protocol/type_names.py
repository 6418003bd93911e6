"""JSON types by the names that tool schemas give them: Python's, Java's, BFCL's, ToolBench's."""

import re
from typing import Any

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
