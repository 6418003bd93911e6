"""Where a thought names a tool wrongly or lacks an argument, and how it begins instead.

A small model that has the right tool in mind may misspell its name, or leave out an argument, for
which the caller then finds a wrong value.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from umi_lite.protocol.trajectory import Plan, Tool

# The least similarity (`difflib.SequenceMatcher.ratio`) of a name with what is written for it.
_LEAST = 2 / 3
# `use NAME: …`, `use NAME for …`, `…, then NAME.`; a thought may begin with the name.
_NAME = re.compile(r"(?:^|\buse |, then )(?P<name>[^\W\d](?:[\w.-]*\w)?)(?=[:,.]| for |$)")
# A word is meant as a tool's name if it has several parts: `get_price`, `bank.getPrice`.
_SEVERAL = re.compile(r"[^\W_][._-][^\W_]|[a-z][A-Z]")
# Arguments by name: `use buy: item=tea, price=3, then answer.`
_NAMED = re.compile(r"\buse (?P<tool>\S+): (?=[^\s=,]+=)(?P<items>.*?)(?=, then|\.?$)")
_ITEM = re.compile(r"(?:^|, )([^\s=,]+)=")


def corrected_start(plan: Plan, tools: Iterable[Tool]) -> str | None:
    """Return how a plan's thought begins instead, None if there is nothing to correct.

    The model says it again from there on.

    Args:
        tools: those that can be called.
    """
    if plan.next != "caller":
        return None
    known = {tool.name: tool for tool in tools}
    return _spelled(plan.thought, known) or _completed(plan.thought, known)


def _spelled(thought: str, known: Iterable[str]) -> str | None:
    """Return the thought up to its first misspelled name of a tool, with the tool's own name."""
    names = {name.lower(): name for name in known}
    for match in _NAME.finditer(thought):
        word = match["name"]
        if word in names.values() or not _SEVERAL.search(word):
            continue
        if near := get_close_matches(word.lower(), names, n=1, cutoff=_LEAST):
            return thought[: match.start("name")] + names[near[0]]
    return None


def _completed(thought: str, known: dict[str, Tool]) -> str | None:
    """Return the thought up to its last named argument, with a required one that it lacks."""
    match = _NAMED.search(thought)
    if match is None or match["tool"] not in known:
        return None
    parameters = known[match["tool"]].parameters
    given = _ITEM.findall(match["items"])
    if not set(given) <= parameters.get("properties", {}).keys():
        return None
    lacking = [name for name in parameters.get("required", ()) if name not in given]
    return f"{thought[: match.end()]}, {lacking[0]}=" if lacking else None
