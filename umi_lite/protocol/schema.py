"""Normalises tools' parameter schemas to JSON Schema 2020-12, from the dialects in use.

Every `Tool` normalises its own, so that no reader of one meets null for a list, `required: true`
or a type named `dict`. What a schema says is kept; what it does not say in any dialect is dropped.
"""

import json
from collections.abc import Callable
from typing import Any

from umi_lite.protocol.schema_parts import (
    ALTERNATIVES,
    JSON_TYPE,
    Schema,
    allow_null,
    fix_older,
    fix_required,
    fix_type,
    fix_values,
    list_of,
    listed,
    named_type,
    object_of,
    set_or_drop,
    spread,
)

_DEPTH = 64
_MEANS_NULL = {"const", "default", "example"}
# Where a document is and what may be extended elsewhere: of no use in a tool's own schema.
_DROPPED = {
    *("$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef"),
    *("$recursiveAnchor", "$vocabulary", "$defs", "definitions"),
}
# Schemas that hold for the value itself, and those that hold for a part of it.
_IN_PLACE = {"not", "if", "then", "else"}
_INNER = {
    *("items", "additionalProperties", "contains", "propertyNames", "unevaluatedItems"),
    *("unevaluatedProperties",),
}
_INNER_MAPS = {"properties", "patternProperties", "dependentSchemas"}
_OBJECT = {"$ref", "properties", "patternProperties", "additionalProperties"}


class BadSchema(ValueError):
    """What should be a schema is not one. The message says where."""


def normalised(parameters: Any) -> Schema:
    """Return a tool's parameters as a JSON Schema 2020-12; a well-formed one as it is.

    Read are drafts 3 to 2020-12, OpenAPI's `nullable`, types by Python's, Java's and ToolBench's
    names (`schema_parts.named_type`), argument schemas without a `properties` around them, and
    null for what is not there. Every `$ref` of the result is in its `$defs`; one to nowhere,
    to another document, or back to itself is dropped, which leaves its value open.

    Raises:
        BadSchema: a list or a number is where a schema belongs, or it nests more than 64 deep.
    """
    if parameters is None:
        return {"type": "object", "properties": {}}
    root = object_of(parameters)
    if root is None:
        raise BadSchema(f"parameters must be a JSON object, not {_shown(parameters)}")
    if root and not root.keys() & _OBJECT and all(map(_describes, root.values())):
        root = {"type": "object", "properties": root}
    made = _Reader(root).top()
    if "object" in listed(made.get("type")):
        made["type"] = "object"
    return made


def _describes(value: Any) -> bool:
    return bool((object_of(value) or {}).keys() & {"type", "description", "enum"})


class _Reader:
    """One document on its way; `defs` are the schemas that references lead to."""

    def __init__(self, root: Schema):
        self._root = root
        self._names: dict[str, str] = {}
        self.defs: dict[str, Any] = {}

    def top(self) -> Schema:
        root, seen = dict(self._root), set[str]()
        # A reference at the top would hide the arguments from everyone who reads `properties`.
        while isinstance(ref := root.pop("$ref", None), str) and ref not in seen:
            seen.add(ref)
            root = {**(object_of(self._target(ref)) or {}), **root}
        root.pop("nullable", None)
        if isinstance(root.get("required"), bool):
            root.pop("required")
        made = self._object(root, "parameters", frozenset({"#"}), 0)
        made = spread(made, self.defs)
        return {**made, "$defs": self.defs} if self.defs else made

    def _read(self, node: Any, where: str, opened: frozenset[str], depth: int) -> Any:
        if isinstance(node, bool):
            return node
        if isinstance(node, str):
            # `{"city": "string"}` or `{"city": "the city's name"}`.
            return named_type(node) if node.casefold() in JSON_TYPE else {"description": node}
        found = object_of(node)
        if found is None:
            raise BadSchema(f"{where}: a schema is a JSON object, not {_shown(node)}")
        if depth > _DEPTH:
            raise BadSchema(f"{where}: the schema nests more than {_DEPTH} deep")
        return self._object(found, where, opened, depth)

    def _object(self, node: Schema, where: str, opened: frozenset[str], depth: int) -> Schema:
        out = {
            key: value
            for key, value in node.items()
            if key not in _DROPPED and (value is not None or key in _MEANS_NULL)
        }
        self._refer(out, where, opened, depth)
        fix_values(out)
        fix_required(out)
        fix_older(out)

        def inner(part: Any, name: str) -> Any:
            return self._read(part, f"{where}, {name}", frozenset(), depth + 1)

        def in_place(part: Any, name: str) -> Any:
            return self._read(part, f"{where}, {name}", opened, depth + 1)

        for key, value in list(out.items()):
            if key in _INNER_MAPS:
                read = in_place if key == "dependentSchemas" else inner
                out[key] = _mapped(value, read, f"{where}, {key}")
            elif key in ALTERNATIVES or key == "prefixItems":
                read = inner if key == "prefixItems" else in_place
                set_or_drop(out, key, _several(value, read, key))
            elif key in _INNER:
                out[key] = inner(value, key)
            elif key in _IN_PLACE:
                out[key] = in_place(value, key)
        fix_type(out)
        return allow_null(out)

    def _refer(self, out: Schema, where: str, opened: frozenset[str], depth: int) -> None:
        """Point a reference at `$defs`, or drop it."""
        ref = out.get("$ref")
        if ref is None:
            return
        target = self._target(ref) if isinstance(ref, str) else None
        if target is None or ref in opened:
            # In place of itself: no value could ever be checked against it.
            del out["$ref"]
            return
        if ref not in self._names:
            name = self._names[ref] = self._free_name(ref)
            self.defs[name] = {}
            self.defs[name] = self._read(target, where, opened | {ref}, depth + 1)
        out["$ref"] = f"#/$defs/{self._names[ref]}"

    def _free_name(self, ref: str) -> str:
        last = ref.rpartition("/")[2].strip("#") or "root"
        last = "".join(c if c.isalnum() or c in "_.-" else "_" for c in last)
        taken, name, number = set(self._names.values()), last, 2
        while name in taken:
            name, number = f"{last}_{number}", number + 1
        return name

    def _target(self, ref: str) -> Any:
        """Return what a pointer into this document names (`#/$defs/City`), or None."""
        from urllib.parse import unquote

        head, mark, path = ref.partition("#")
        if head or not mark or (path and not path.startswith("/")):
            return None
        node: Any = self._root
        for part in path.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            items = list_of(node)
            if items is not None and key.isdecimal() and int(key) < len(items):
                node = items[int(key)]
            else:
                node = (object_of(node) or {}).get(key)
        return node if isinstance(node, bool) else object_of(node)


def _mapped(value: Any, read: Callable[[Any, str], Any], where: str) -> Schema:
    parts = object_of(value)
    if parts is None:
        raise BadSchema(f"{where}: a JSON object of schemas is expected, not {_shown(value)}")
    return {name: read(part, name) for name, part in parts.items() if part is not None}


def _several(value: Any, read: Callable[[Any, str], Any], key: str) -> list[Any] | None:
    return [read(part, key) for part in list_of(value) or () if part is not None] or None


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."
