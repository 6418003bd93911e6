"""A typed, docstringed function's parameters as a JSON Schema."""

import inspect
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from umi_lite.protocol.errors import UserError

_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_ARGUMENT = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


def parameters_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """The JSON Schema (type object, nothing additional) of a function's parameters.

    A parameter with a default is not required; `Literal` becomes `enum`; the Google-style
    `Args:` section gives the descriptions.

    Raises:
        UserError: a parameter has no type hint, one that JSON cannot carry, or is
            `*args`, `**kwargs` or positional-only; the message names it.
    """
    name = getattr(function, "__name__", repr(function))
    try:
        hints = get_type_hints(function)
    except NameError as err:
        raise UserError(f"tool {name}: a type hint cannot be resolved: {err}") from None
    _, notes = split_docstring(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {name}: parameter {parameter.name!r}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UserError(f"{where} must be an ordinary named parameter")
        if parameter.name not in hints:
            raise UserError(f"{where} has no type hint; write e.g. {parameter.name}: str")
        hint = hints[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is None:
            # Left out means None, so null itself need not be offered.
            hint = _without_none(hint)
        schema = _schema(hint, where)
        if parameter.name in notes:
            schema["description"] = notes[parameter.name]
        properties[parameter.name] = schema
    unknown = sorted(set(notes) - set(properties))
    if unknown:
        raise UserError(f"tool {name}: the docstring describes {unknown[0]!r}, no such parameter")
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """A Google-style docstring as (first paragraph on one line, {argument: note})."""
    lines = text.strip().splitlines()
    summary: list[str] = []
    for line in lines:
        if not line.strip() or _SECTION.match(line.strip()):
            break
        summary.append(line.strip())
    notes: dict[str, str] = {}
    section, current = "", ""
    for line in lines:
        header = _SECTION.match(line)
        if header:
            section, current = header[1], ""
        elif section in ("Args", "Arguments") and line.strip():
            found = _ARGUMENT.match(line.strip())
            # A continuation line is indented deeper than the arguments' names.
            if found and len(line) - len(line.lstrip()) <= 4:
                current = found[1]
                notes[current] = found[2].strip()
            elif current:
                notes[current] = f"{notes[current]} {line.strip()}".strip()
    return " ".join(summary), notes


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    rest = tuple(arm for arm in get_args(hint) if arm is not types.NoneType)
    return Union[rest] if rest else hint  # noqa: UP007 - built from a tuple at run time


def _schema(hint: Any, where: str) -> dict[str, Any]:
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if hint is Any:
        return {}
    if hint is types.NoneType:
        return {"type": "null"}
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        kinds = {_SCALARS.get(type(choice)) for choice in args}
        if None in kinds:
            raise UserError(f"{where}: a Literal may hold str, int and bool, not {hint}")
        kind = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**kind, "enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(arm, where) for arm in args]}
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema(args[0], where)} if args else {})}
    if hint is dict or origin is dict:
        if args and args[0] is not str:
            raise UserError(f"{where}: a JSON object's keys are str, not {args[0]}")
        extra = _schema(args[1], where) if args else True
        return {"type": "object", "additionalProperties": extra}
    raise UserError(
        f"{where}: {hint} cannot be a JSON value; "
        "use str, int, float, bool, Literal, Optional, list or dict"
    )
