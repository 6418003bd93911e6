"""Where a thought names a tool or a code wrongly or lacks an argument, and how it begins instead.

A small model that has the right tool in mind may misspell its name, leave out an argument, for
which the caller then finds a wrong value, or write `310` or `job310` for `job-310`.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from umi_lite.protocol.trajectory import Observation, Plan, Tool, Trajectory, User

# The least similarity (`difflib.SequenceMatcher.ratio`) of a name with what is written for it.
_LEAST = 2 / 3
# `use NAME: …`, `use NAME for …`, `…, then NAME.`; a thought may begin with the name.
_NAME = re.compile(r"(?:^|\buse |, then )(?P<name>[^\W\d](?:[\w.-]*\w)?)(?=[:,.]| for |$)")
# A word is meant as a tool's name if it has several parts: `get_price`, `bank.getPrice`.
_SEVERAL = re.compile(r"[^\W_][._-][^\W_]|[a-z][A-Z]")
# Arguments by name: `use buy: item=tea, price=3, then answer.`
_NAMED = re.compile(r"\buse (?P<tool>\S+): (?=[^\s=,]+=)(?P<items>.*?)(?=, then|\.?$)")
_ITEM = re.compile(r"(?:^|, )([^\s=,]+)=")
# What is said of an argument, by its name or after `for`.
_VALUE = re.compile(r"(?:\b(?P<name>[^\s=,]+)=|\buse \S+ for )(?P<value>[^,=]+?)(?=,|\.?$)")
# "job-310", "TX965495": letters and then digits; each part of a value that could be one.
_CODE = re.compile(r"(?<![\w.-])[^\W\d_]+[-_#/]?\d[\w#/-]*")
_WORD = re.compile(r"[\w#/-]*\d[\w#/-]*")


def corrected_start(plan: Plan, tools: Iterable[Tool], before: Trajectory) -> str | None:
    """Return how a plan's thought begins instead, None if there is nothing to correct.

    The model says it again from there on.

    Args:
        tools: those that can be called.
        before: the trajectory that the plan continues.
    """
    if plan.next != "caller":
        return None
    known = {tool.name: tool for tool in tools}
    thought = plan.thought
    return _spelled(thought, known) or _coded(thought, known, before) or _completed(thought, known)


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


def _coded(thought: str, known: dict[str, Tool], before: Trajectory) -> str | None:
    """Return the thought up to its first misspelled code, with the code as it was said."""
    steps = before.steps
    said = [step.text for step in steps if isinstance(step, User)]
    said += [step.content for step in steps if isinstance(step, Observation)]
    text = "\n".join((before.instruction, *said))
    codes = set(_CODE.findall(text))
    used = _NAME.search(thought)
    tool = known.get(used["name"]) if used is not None else None
    numbers = _numbers(tool) if tool is not None else ()
    for match in _VALUE.finditer(thought):
        if match["name"] in numbers:
            continue
        for word in _WORD.finditer(thought, *match.span("value")):
            if re.search(rf"(?<![\w.-]){re.escape(word[0])}(?![\w-])", text):
                continue
            start = thought[match.start("value") : word.start()]
            if word[0].isdigit() and start and not start.endswith(" and "):
                continue
            meant = [code for code in codes if _is_meant(code, word[0])]
            if len(meant) == 1:
                return thought[: word.start()] + meant[0]
    return None


def _numbers(tool: Tool) -> list[str]:
    """Return a tool's arguments that are numbers."""
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    types = {name: str(schema) for name, schema in properties.items()}
    return [name for name, said in types.items() if "'integer'" in said or "'number'" in said]


def _is_meant(code: str, word: str) -> bool:
    """True if a word is the code without its signs, or all of its digits."""
    if word.isdigit():
        return len(word) > 1 and re.search(rf"(?<!\d){word}$", code) is not None
    return _plain(code) == _plain(word)


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


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
