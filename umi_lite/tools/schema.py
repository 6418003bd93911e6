"""JSON Schema of a function's typed parameters, and the conversion of JSON to their types."""

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter
from pydantic.fields import FieldInfo

from umi_lite.errors import UserError
from umi_lite.tools.callables import doc_of, documented_names, parameters_of, read_docstring

Convert = Callable[[Any], Any]
_PLAIN = (str, int, float, bool, types.NoneType, Any)
# Keywords that hold values or names, not schemas.
_VALUES = ("enum", "required", "examples")
# Keywords that the prompt leaves out; a set may be given a value twice.
_LEFT_OUT = ("title", "default", "$defs", "discriminator", "uniqueItems")


@dataclass(frozen=True)
class Signature:
    """How a function is called with JSON.

    Attributes:
        description: the docstring's first paragraph.
        parameters: a JSON Schema of type object that allows nothing additional.
        convert: for parameters that JSON cannot hold (a date, a model), what makes them; each
            raises ValueError for what it cannot make.
        fields: of parameters whose default is written as `= Field(…)`: it makes their default.
    """

    description: str
    parameters: dict[str, Any]
    convert: Mapping[str, Convert]
    fields: Mapping[str, FieldInfo]


def read_signature(function: Callable[..., Any], name: str) -> Signature:
    """Return the signature of a function with type hints and a docstring, as a tool of this name.

    A parameter with a default is not required; `Literal` and Enum become `enum`; bounds and
    texts of `Annotated[…, Field(…)]` are kept; the docstring gives the other descriptions.

    Raises:
        UserError: no docstring, a docstring that describes another parameter, or a parameter
            without a type hint or with one that JSON cannot carry; the message names it.
    """
    parameters = parameters_of(function, name)
    description, notes = read_docstring(doc_of(function))
    if not description:
        raise UserError(
            f"tool {name}: the function has no docstring; a role must know what it does"
        )
    properties: dict[str, Any] = {}
    required: list[str] = []
    convert: dict[str, Convert] = {}
    fields: dict[str, FieldInfo] = {}
    for parameter in parameters:
        where = f"tool {name}: parameter {parameter.name!r}"
        hint, default = parameter.hint, parameter.default
        if hint is inspect.Parameter.empty:
            raise UserError(f"{where} has no type hint; write e.g. {parameter.name}: str")
        if isinstance(default, FieldInfo):
            hint = Annotated[hint, default]
            if default.is_required():
                default = inspect.Parameter.empty
            else:
                fields[parameter.name] = default
                default = default.default
        if default is inspect.Parameter.empty:
            required.append(parameter.name)
        adapter, schema = _adapted(hint, where)
        if default is None:
            schema["default"] = None
        note = _own_text(hint) or notes.get(parameter.name)
        if note and "description" not in schema:
            schema["description"] = note
        properties[parameter.name] = _tidy(schema, schema.get("$defs", {}), where)
        if not _is_plain(hint):
            convert[parameter.name] = adapter.validate_python
    unknown = sorted(set(notes) - set(properties) - documented_names(function))
    if unknown:
        raise UserError(f"tool {name}: the docstring describes {unknown[0]!r}, no such parameter")
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return Signature(description, schema, convert, fields)


def _adapted(hint: Any, where: str) -> tuple["TypeAdapter[Any]", dict[str, Any]]:
    """Return the type's validator and schema; the caller may change the schema."""
    try:
        try:
            adapter, schema = _cached_adapter(hint, repr(hint))
        except TypeError:  # `Field(…)` has no hash
            adapter, schema = _adapter(hint)
    except (PydanticUserError, TypeError, NameError) as err:
        raise UserError(
            f"{where}: {hint} cannot be made from JSON; use str, int, float, bool, Literal, "
            "Optional, list, dict, a dataclass or a pydantic model"
        ) from err
    return adapter, dict(schema)


def _adapter(hint: Any) -> tuple["TypeAdapter[Any]", dict[str, Any]]:
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return adapter, adapter.json_schema()


@functools.lru_cache(maxsize=256)
def _cached_adapter(hint: Any, shown: str) -> tuple["TypeAdapter[Any]", dict[str, Any]]:
    """As `_adapter`, remembered: many tools have the same few types."""
    del shown  # int | str equals str | int, but is another schema
    return _adapter(hint)


def _own_text(hint: Any) -> str | None:
    """Return the text of `Annotated[int, "text"]` and of `Annotated[int, Doc("text")]`."""
    for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        text = getattr(extra, "documentation", extra)
        if isinstance(text, str):
            return text
    return None


def _is_plain(hint: Any) -> bool:
    """True if JSON values need no conversion for this type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return True
    if origin is dict or hint is dict:
        return not args or (args[0] is str and _is_plain(args[1]))
    if origin in (Union, types.UnionType, list) or hint is list:
        return all(map(_is_plain, args))
    return hint in _PLAIN


def _tidy(
    schema: dict[str, Any], named: dict[str, Any], where: str, inside: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a schema as the prompt and the grammar use it: self-contained and minimal.

    References are resolved, and a null that only means "left out" is removed.

    Raises:
        UserError: a type that contains itself.
    """
    if schema.get("default", "") is None:
        schema = _without_null(schema)
    reference = schema.get("$ref")
    if reference is not None:
        name = str(reference).rpartition("/")[2]
        if name in inside:
            raise UserError(f"{where}: {name} contains itself; a tool's arguments must end")
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _tidy({**named[name], **rest}, named, where, (*inside, name))

    def inner(key: str, value: Any) -> Any:
        if key in _VALUES:
            return value
        if isinstance(value, list):
            return [inner("", item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        facts = cast("dict[str, Any]", value)
        if key in ("properties", "patternProperties"):
            return {name: inner("", sub) for name, sub in facts.items()}
        return _tidy(facts, named, where, inside)

    kept: dict[str, Any] = {"type": schema["type"]} if "type" in schema else {}
    for key, value in schema.items():
        if key == "const":
            kept["enum"] = [value]
        elif key == "description":
            continue
        elif key not in _LEFT_OUT and not (key == "items" and value == {}):
            # A tagged union's arms exclude each other.
            kept["anyOf" if key == "oneOf" else key] = inner(key, value)
    if "description" in schema:
        kept["description"] = " ".join(str(schema["description"]).split())
    return kept


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without the null that means "left out"."""
    arms = [arm for arm in schema.get("anyOf", ()) if arm != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **(arms[0] if len(arms) == 1 else {"anyOf": arms} if arms else {})}
