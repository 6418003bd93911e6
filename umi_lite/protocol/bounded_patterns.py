"""JSON Schema's keywords with patterns, in bounded time: no pattern can hold a program up.

Python's `re` cannot be stopped, and jsonschema uses it: `^(a|aa)+$` takes hours for 60 letters.
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from time import monotonic
from typing import Any, cast

import jsonschema
import regex
from jsonschema import validators

SECONDS = 0.25
"""For all patterns of one check together."""

_UNTIL: ContextVar[float] = ContextVar("_UNTIL")


class Undecided(Exception):
    """The patterns could not be checked. The message says why."""


def validator(schema: Mapping[str, Any]) -> Any:
    """Return jsonschema's validator of a schema (draft 2020-12), for `first_error`."""
    made: Any = _OF_NAMES if _has(schema, "patternProperties") else _BOUNDED
    return made(schema)


def first_error(validator: Any, value: Any) -> Any:
    """Return the first of jsonschema's errors, None if the value is valid.

    Raises:
        Undecided: the patterns take longer than `SECONDS`, are no regular expressions, or are
            next to `unevaluatedProperties`.
    """
    _UNTIL.set(monotonic() + SECONDS)
    return next(validator.iter_errors(value), None)


def _found(pattern: str, text: str) -> bool:
    left = max(0.001, _UNTIL.get() - monotonic())
    try:
        return regex.search(pattern, text, timeout=left, concurrent=True) is not None
    except TimeoutError:
        why = f"the pattern {pattern!r} takes longer than {SECONDS:g} s to check"
    except regex.error as err:
        why = f"the pattern {pattern!r} is not a regular expression: {err}"
    raise Undecided(why)


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(value, "string") and not _found(pattern, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, given: Any, value: Any, _: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for pattern, schema in given.items():
        for name in [name for name in value if _found(pattern, name)]:
            yield from validator.descend(value[name], schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, given: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    more = [
        name
        for name in value
        if name not in named and not any(_found(pattern, name) for pattern in patterns)
    ]
    if validator.is_type(given, "object"):
        for name in more:
            yield from validator.descend(value[name], given, path=name)
    elif not given and more:
        said = ", ".join(map(repr, sorted(more)))
        were = "was" if len(more) == 1 else "were"
        yield jsonschema.ValidationError(
            f"Additional properties are not allowed ({said} {were} unexpected)"
        )


def _unevaluated_properties(*_: Any) -> Iterator[Any]:
    raise Undecided("unevaluatedProperties next to patternProperties cannot be checked")


def _has(schema: Any, keyword: str) -> bool:
    if isinstance(schema, list):
        return any(_has(part, keyword) for part in cast(list[Any], schema))
    if isinstance(schema, Mapping):
        parts = cast(Mapping[str, Any], schema)
        return keyword in parts or any(_has(part, keyword) for part in parts.values())
    return False


_extend: Any = cast(Any, validators).extend
_BOUNDED: Any = _extend(
    jsonschema.Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
# jsonschema's own keyword looks for the names that patterns have, with `re`.
_OF_NAMES: Any = _extend(_BOUNDED, {"unevaluatedProperties": _unevaluated_properties})
