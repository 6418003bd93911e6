"""What a grammar can hold of a tool's schema, and the check of a call against all of it."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from umi_lite.errors import UserError
from umi_lite.protocol.schema_parts import (
    ALTERNATIVES,
    Schema,
    fault,
    object_of,
    of_branches,
    spread,
)

# Keywords that llguidance enforces (its docs/json_schema.md). `oneOf` is held to `anyOf`.
_ENFORCED = {
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("properties", "required", "additionalProperties", "items", "prefixItems"),
    *("minItems", "maxItems", "anyOf", "oneOf", "allOf", "$ref"),
}
_FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
}
_NUMBERS = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems"),
}
# llguidance counts in 64 bits.
_MOST = 2**63 - 1
# An object that inherits from itself could be spread without end.
_MOST_SPREADS = 3
# Patterns are written for JavaScript, enforced by Rust and checked by Python: only where all three
# agree is one enforced. One token that they read alike; anchors count only at a pattern's ends.
_ESCAPE = r"\\(?:[dDwWsStnrfv]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[!-/:;=?@\[-`{-~])"
_TOKEN = re.compile(
    rf"(?P<atom>{_ESCAPE}|\[\^?(?!\])(?:{_ESCAPE}|(?!&&|--|~~)[^\\\[\]])+\]|[^\\\[\](){{}}|.*+?^$]|\.)"
    r"|(?P<open>\((?:\?:)?(?![?*+{]))|(?P<close>\))|(?P<or>\|)"
    r"|(?P<many>(?:[*+?]|\{\d{1,4}(?:,\d{0,4})?\})\??)|(?P<start>\^)|(?P<end>\$)"
)


def held(parameters: Schema, where: str) -> Schema:
    """Return the part of normalised parameters that a grammar can hold.

    Objects with named properties are closed unless they say else, so that a model cannot make
    arguments up. What the grammar cannot hold (`not`, `if`, `uniqueItems`, `patternProperties`,
    a pattern with a look-ahead, ...) is left out of it.

    Args:
        where: begins the message of an error, e.g. `tool weather`.

    Raises:
        UserError: no call can be right: the parameters are not an object, a pattern is not a
            regular expression, or a required argument is not allowed.
    """
    defs: Schema = parameters.get("$defs", {})
    out = _held(parameters, where, defs, 0)
    if out.setdefault("type", "object") != "object":
        raise UserError(f"{where}: parameters are of type object, not {out['type']!r}")
    if not out.keys() & {*ALTERNATIVES, "properties", "additionalProperties"}:
        out |= {"properties": {}, "additionalProperties": False}
    if defs:
        out["$defs"] = {
            name: _held(part, f"{where}, {name}", defs, 0) for name, part in defs.items()
        }
    return out


def _held(schema: Any, where: str, defs: Schema, spreads: int) -> Any:
    given = object_of(schema)
    if given is None:
        return schema
    _check_patterns(given, where)
    out = {key: value for key, value in given.items() if key in _ENFORCED}
    if of_branches(given, defs) and given.keys() & {"properties", "allOf", "then", "else"}:
        if spreads == _MOST_SPREADS:
            return {"type": given["type"]} if "type" in given else {}
        # A closed object and closed branches would exclude each other's properties.
        spreads += 1
        out = {key: value for key, value in spread(given, defs).items() if key in _ENFORCED}
        for key in (*ALTERNATIVES, "$ref"):
            out.pop(key, None)
    if out.get("format") not in _FORMATS:
        out.pop("format", None)
    if "pattern" in out and not enforceable(out["pattern"]):
        del out["pattern"]
    out = {key: value for key, value in out.items() if key not in _NUMBERS or abs(value) < _MOST}
    if "$ref" in out:
        # llguidance takes no circular reference with keywords next to it.
        return {"$ref": out["$ref"]}
    _close(out, given.get("patternProperties"), where)
    if "properties" in out:
        properties: Schema = out["properties"]
        out["properties"] = {
            name: _held(part, f"{where}, {name}", defs, spreads)
            for name, part in properties.items()
        }
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = _held(out[key], f"{where}, {key}", defs, spreads)
    for key in (*ALTERNATIVES, "prefixItems"):
        if key in out:
            out[key] = [_held(part, f"{where}, {key}", defs, spreads) for part in out[key]]
    return out


def _check_patterns(given: Schema, where: str) -> None:
    own = [given["pattern"]] if "pattern" in given else []
    for pattern in [*own, *given.get("patternProperties", {})]:
        if (why := fault(pattern)) is not None:
            raise UserError(f"{where}: the pattern {pattern!r} is not a regular expression: {why}")


def _close(out: Schema, by_pattern: Schema | None, where: str) -> None:
    """Say which properties an object may have besides the named ones: none, if it says nothing."""
    if by_pattern:
        # The names are left to the check.
        one = next(iter(by_pattern.values())) if len(by_pattern) == 1 else True
        out["additionalProperties"] = one if not out.get("additionalProperties") else True
        out.setdefault("properties", {})
    if "properties" not in out:
        return
    missing = [name for name in out.get("required", ()) if name not in out["properties"]]
    if missing and out.get("additionalProperties") is False:
        raise UserError(f"{where}: required {missing[0]!r} is not among the properties")
    if "additionalProperties" not in out:
        out["properties"] = {**out["properties"], **{name: {} for name in missing}}
        out["additionalProperties"] = False


def enforceable(pattern: str) -> bool:
    """True if a grammar can hold a text to the pattern, with the meaning that JSON Schema has."""
    at, depth, before = 0, 0, "start"
    anchored = alternatives = False
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return False
        kind = token.lastgroup or ""
        if (kind == "start" and at > 0) or (kind == "end" and token.end() < len(pattern)):
            return False
        if kind == "many" and before not in ("atom", "close"):
            return False
        anchored |= kind in ("start", "end")
        alternatives |= kind == "or" and depth == 0
        depth += (kind == "open") - (kind == "close")
        at, before = token.end(), kind
    # `^a|b$` is anchored at one end each: left to the check.
    return not (anchored and alternatives) and fault(pattern) is None


class Check:
    """The check of one tool's calls.

    Args:
        parameters: a tool's normalised parameters (`Tool.parameters`).
    """

    def __init__(self, parameters: Mapping[str, Any]):
        self._parameters = parameters

    @cached_property
    def _validator(self) -> Any:
        from umi_lite.protocol.bounded_patterns import validator

        return validator(self._parameters)

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the arguments, on one line with its place; None if nothing.

        Patterns that could not be checked in a quarter of a second are a fault, too.
        """
        from umi_lite.protocol.bounded_patterns import Undecided, first_error

        try:
            wrong = first_error(self._validator, arguments)
        except Undecided as err:
            return " ".join(str(err).split())
        if wrong is None:
            return None
        at = ".".join(str(step) for step in wrong.absolute_path)
        return " ".join((f"{at}: {wrong.message}" if at else wrong.message).split())
