"""Names, docstrings and typed parameters of callables, seen through their wrappers.

A function, a method, a cached or decorated function, `functools.partial`, an object with
`__call__`: each can be a tool.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from umi_lite.errors import UserError


@dataclass(frozen=True)
class Parameter:
    """A parameter that a call can name.

    Attributes:
        hint: its type with the `Annotated` extras; `inspect.Parameter.empty` without one.
        default: `inspect.Parameter.empty` without one.
    """

    name: str
    hint: Any
    default: Any


def name_of(function: Callable[..., Any]) -> str:
    """Return the function's name, or that of what a partial or an object calls."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return getattr(function, "__name__", type(function).__name__)


def doc_of(function: Callable[..., Any]) -> str:
    """Return the docstring, "" without one; of an object its `__call__`'s, else its class's."""
    if isinstance(function, functools.partial):
        # A partial's class has a docstring; only one set on the partial itself counts.
        return vars(function).get("__doc__") or doc_of(function.func)
    if _is_object(function):
        # Not getdoc, which would find the docstring that every `__call__` has.
        own = type(function).__call__.__doc__
        return inspect.cleandoc(own) if own else inspect.getdoc(type(function)) or ""
    return inspect.getdoc(function) or ""


def documented_names(function: Callable[..., Any]) -> set[str]:
    """Return the names that its docstring may describe, those that a partial has filled, too."""
    while isinstance(function, functools.partial):
        function = function.func
    return set(inspect.signature(function).parameters)


def parameters_of(function: Callable[..., Any], name: str) -> list[Parameter]:
    """Return what a call can pass; what a partial has filled is left out.

    Args:
        name: the tool's, for messages.

    Raises:
        UserError: it is a class, it has no signature, a type hint cannot be resolved, or a
            parameter is `*args`, `**kwargs` or positional-only; the message names it.
    """
    if inspect.isclass(function):
        raise UserError(f"tool {name}: a class is not a tool; give a method of one of its objects")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise UserError(
            f"tool {name}: it has no signature to read; wrap it in a function with type hints"
        ) from None
    filled = _filled(function)
    found: list[Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name in filled:
            continue
        where = f"tool {name}: parameter {parameter.name!r}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UserError(f"{where} must be an ordinary named parameter")
        hint = parameter.annotation
        if hint is not parameter.empty:
            hint = _resolved(hint, function, where)
        found.append(Parameter(parameter.name, hint, parameter.default))
    return found


def _filled(function: Callable[..., Any]) -> set[str]:
    """Return the keywords that partials have filled: a call must not override them."""
    if not isinstance(function, functools.partial):
        return set()
    return {*function.keywords, *_filled(function.func)}


def _resolved(hint: Any, function: Callable[..., Any], where: str) -> Any:
    """Return a hint with its quoted names looked up where the function was written."""
    while isinstance(function, functools.partial):
        function = function.func
    written = inspect.unwrap(type(function).__call__ if _is_object(function) else function)

    def stub() -> None: ...

    stub.__annotations__ = {"hint": hint}
    try:
        found = get_type_hints(stub, getattr(written, "__globals__", {}), include_extras=True)
    except Exception as err:  # a quoted hint is a program
        raise UserError(f"{where}: its type hint cannot be resolved: {err}") from None
    return found["hint"]


def _is_object(function: Callable[..., Any]) -> bool:
    return not inspect.isroutine(function) and not hasattr(function, "__wrapped__")


_BULLET = re.compile(r"^(?:[-+•]\s+|\*\s+)")


@functools.lru_cache(maxsize=256)
def read_docstring(text: str) -> tuple[str, Mapping[str, str]]:
    """Return a docstring's first paragraph, and its note on each parameter; one line each.

    The style (Google, numpy, reST, epydoc) is the one that finds the most parameters.
    """
    from docstring_parser import ParseError, epydoc, numpydoc, rest

    readings: list[Any] = []
    for parse in (rest.parse, _lenient_google().parse, numpydoc.parse, epydoc.parse):
        try:
            readings.append(parse(text))
        except ParseError:
            continue
    # The first of equals: with no parameter found, all of them have the same description.
    best = max(readings, key=lambda reading: len(reading.params))
    notes: dict[str, str] = {}
    for found in best.params:
        names, bracket, _ = found.arg_name.partition("(")
        # numpy's layout with Google's line, `x (str) : the text`: read as a type.
        note = found.description or (found.type_name if bracket else "") or ""
        for name in _BULLET.sub("", names).split(","):
            notes[name.strip(" `*")] = _one_line(note)
    return _one_line((best.description or "").strip().split("\n\n")[0]), notes


def _lenient_google() -> Any:
    """Return a parser that accepts lines without a colon and keeps the other notes."""
    from docstring_parser.common import DocstringMeta, ParseError
    from docstring_parser.google import DEFAULT_SECTIONS, GoogleParser, Section, SectionType

    class Lenient(GoogleParser):
        def _build_meta(self, text: str, title: str) -> DocstringMeta:
            try:
                return super()._build_meta(text, title)
            except ParseError:
                return DocstringMeta(args=[title], description=text)

    keywords = [
        Section(title, "param", SectionType.MULTIPLE)
        for title in ("Keyword Args", "Keyword Arguments", "Other Parameters")
    ]
    return Lenient([*DEFAULT_SECTIONS, *keywords])


def _one_line(text: str) -> str:
    return " ".join(text.split())
