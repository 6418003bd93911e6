"""Regular expressions of tool schemas: written for JavaScript, enforced by Rust, checked by Python.

A pattern is enforced only where all three agree on it; any other one that Python can compile is
checked before the call.
"""

import re

# One token of a pattern that all three read alike; anchors count only at its ends.
_ESCAPE = r"\\(?:[dDwWsStnrfv]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[!-/:;=?@\[-`{-~])"
_TOKEN = re.compile(
    rf"(?P<atom>{_ESCAPE}|\[\^?(?!\])(?:{_ESCAPE}|(?!&&|--|~~)[^\\\[\]])+\]|[^\\\[\](){{}}|.*+?^$]|\.)"
    r"|(?P<open>\((?:\?:)?(?![?*+{]))|(?P<close>\))|(?P<or>\|)"
    r"|(?P<many>(?:[*+?]|\{\d{1,4}(?:,\d{0,4})?\})\??)|(?P<start>\^)|(?P<end>\$)"
)
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
_CLASS_HYPHEN = re.compile(r"(\\[dDwWsS])-(?!\])")
_LITERAL = re.compile(r"/(\^.*\$)/")


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
