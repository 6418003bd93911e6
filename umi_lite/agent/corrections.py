"""Where a thought names a tool or its arguments wrongly, and how it begins instead.

A small model that has the right tool in mind may misspell its name, leave out an argument, for
which the caller then finds a wrong value, make an optional one up, or write `310` or `job310` for
`job-310`.
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
# A date may be said as a day from today, a number in words.
_DATE = re.compile(r"\d{4}-\d\d")
_RELATIVE = re.compile(r"\b(?:to(?:day|morrow|night)|yesterday|now|day|week|month|year|\w+day)")
_COUNTED = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|"
    r"fifty|hundred|dozen|half|quarter|couple|once|twice|percent|noon|midnight)\b|%|"
    r"\d ?[ap]\.?m\b|o.clock"
)
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
    text = _text(before)
    return (
        _spelled(thought, known)
        or _coded(thought, known, text)
        or _invented(thought, known, text)
        or _completed(thought, known)
    )


def _text(before: Trajectory) -> str:
    """Return what the user and the tools said so far."""
    steps = before.steps
    said = [step.text for step in steps if isinstance(step, User)]
    said += [step.content for step in steps if isinstance(step, Observation)]
    return "\n".join((before.instruction, *said))


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


def _coded(thought: str, known: dict[str, Tool], text: str) -> str | None:
    """Return the thought up to its first misspelled code, with the code as it was said."""
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


def _named(thought: str, known: dict[str, Tool]) -> tuple[re.Match[str], dict[str, Any]] | None:
    """Return where a thought gives arguments by name, and their tool's parameters."""
    match = _NAMED.search(thought)
    if match is None or match["tool"] not in known:
        return None
    return match, known[match["tool"]].parameters


def _invented(thought: str, known: dict[str, Tool], text: str) -> str | None:
    """Return the thought without its first optional argument whose value was not said."""
    if (found := _named(thought, known)) is None:
        return None
    match, parameters = found
    required = parameters.get("required", ())
    optional = parameters.get("properties", {}).keys() - set(required)
    items = list(_ITEM.finditer(match["items"]))
    ends = [*(item.start() for item in items[1:]), len(match["items"])]
    for at, (item, end) in enumerate(zip(items, ends, strict=True)):
        value = match["items"][item.end() : end]
        if item[1] not in optional or _is_said(value, text):
            continue
        kept = thought[: match.start("items") + item.start()]
        if at + 1 < len(items):
            return f"{kept}{', ' if at else ''}{items[at + 1][1]}="
        if not at and required:
            return f"{kept}{required[0]}="
        after = thought[match.end("items") :]
        return (kept if at else kept.removesuffix(": ")) + (", then" if "," in after else ".")
    return None


def _is_said(value: str, text: str) -> bool:
    """True if a part of a value is in the text, or it may be said in another way."""
    text = text.casefold()
    parts = re.findall(r"[^\W_]{2,}", value.casefold())
    if not parts or parts[0] in ("true", "false", "yes", "no"):
        return True
    numbers = all(part.isdigit() for part in parts)
    if numbers and (_RELATIVE if _DATE.match(value) else _COUNTED).search(text):
        return True
    return any(part[:4] in text for part in parts)


def _completed(thought: str, known: dict[str, Tool]) -> str | None:
    """Return the thought up to its last named argument, with a required one that it lacks."""
    if (found := _named(thought, known)) is None:
        return None
    match, parameters = found
    given = _ITEM.findall(match["items"])
    if not set(given) <= parameters.get("properties", {}).keys():
        return None
    lacking = [name for name in parameters.get("required", ()) if name not in given]
    return f"{thought[: match.end()]}, {lacking[0]}=" if lacking else None
