"""Results of tools whose schema does not say what they return: text in the forms that tools write.

A role that has seen results in JSON alone reads lines, lists and words of success wrongly.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.kinds import DONE, FREE, NAMES
from umi_lite.data.synth.pools import choice
from umi_lite.data.synth.texts import text_of
from umi_lite.protocol.roles import dump_json, plain_text

_LONGEST = 60  # characters of a value that a word of success repeats
_MARKS = ("- {}", "* {}", "[FILE] {}", "[DIR] {}", "{} (1)", "{},")
_FACTS = {
    "size": "number", "created": "datetime", "modified": "datetime", "updated": "date",
    "owner": "person", "author": "person", "type": "word", "status": "status", "state": "status",
    "name": "title", "title": "title", "version": "version", "total": "number", "count": "number",
    "file": "path", "folder": "folder", "branch": "branch", "email": "email", "label": "tag",
    "project": "project", "task": "task", "city": "city", "price": "number", "message": "message",
}  # fmt: skip
# Guesses that a name gives away.
_SURE = (DONE, NAMES, "amount", "percent", "status", "time", "date")


def freed(returns: Mapping[str, str], kept: frozenset[str], guessed: bool) -> dict[str, str]:
    """Return the fields of a result, those that were but a guess as free text.

    Args:
        kept: fields that another call reads.
        guessed: the fields are a guess from the tool's name.
    """
    kinds = returns.values()
    if not kept and DONE not in kinds and "id" in kinds and "name" in returns:
        return {"items": NAMES}
    made: dict[str, str] = {}
    for name, kind in returns.items():
        if name in kept:
            made[name] = kind
        elif kind == "id" and len(returns) > 1:
            continue
        elif kind in ("message", "word", "id") or (guessed and kind not in _SURE):
            made[name] = FREE
        else:
            made[name] = kind
    return made


def free_text(d: Drawing) -> str:
    """Return what a tool could say: sentences, or lines of a name and a value."""
    rng = d.rng
    if rng.random() < 0.4:
        names = rng.sample(list(_FACTS), rng.randint(2, 5))
        return "\n".join(f"{name}: {_value(d, _FACTS[name])}" for name in names)
    if rng.random() < 0.2:
        return _value(d, choice(rng, tuple(_FACTS.values())))
    said = [_value(d, "message") for _ in range(rng.randint(1, 3))]
    said = [text if text[-1] in "?!." else f"{text}." for text in dict.fromkeys(said)]
    return choice(rng, ("\n", " ", " ")).join(said)


def _value(d: Drawing, kind: str) -> str:
    if kind == "number":
        return str(d.rng.randint(2, 9999))
    return str(text_of(kind, d, "", {})[0])


def free_names(d: Drawing, kind: str) -> list[str]:
    """Return names as a list has them, of paths often the last part alone."""
    found = [_value(d, kind) for _ in range(d.rng.randint(1, 6))]
    if d.rng.random() < 0.7:
        found = [PurePosixPath(one).name if "/" in one else one for one in found]
    return list(dict.fromkeys(found))


def flat(text: str) -> str:
    """Return a text of lines as one line of an answer."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    said = " ".join(f"{line}," if line[-1] not in ",.!?" else line for line in lines).rstrip(",")
    return said if said[-1:] in (".", "!", "?") else f"{said}."


def free_form(
    d: Drawing, result: Mapping[str, Any], kinds: Mapping[str, str], arguments: Mapping[str, Any]
) -> str:
    """Return a result as one of the tools that say so writes it."""
    rng = d.rng
    if any(kinds.get(name) == DONE for name in result):
        return _success(d, result, kinds, arguments)
    if len(result) == 1:
        (value,) = result.values()
        if isinstance(value, list):
            return _listed(d, value)
        if rng.random() < 0.7 and not isinstance(value, dict):
            return plain_text(value)
    if rng.random() < 0.5:
        return dump_json(dict(result))
    return "\n".join(f"{name}: {plain_text(value)}" for name, value in result.items())


def _success(
    d: Drawing, result: Mapping[str, Any], kinds: Mapping[str, str], arguments: Mapping[str, Any]
) -> str:
    rng = d.rng
    done = next(str(value) for name, value in result.items() if kinds.get(name) == DONE)
    others = {name: value for name, value in result.items() if kinds.get(name) != DONE}
    texts = [one for one in arguments.values() if isinstance(one, str) and len(one) <= _LONGEST]
    about = f" {texts[0]}" if texts else ""
    if others:
        more = ", ".join(f"{name}: {plain_text(value)}" for name, value in others.items())
        return choice(
            rng,
            (dump_json(dict(result)), f"Successfully {done}{about} ({more})", f"{done}\n{more}",
             dump_json({"success": True, **others})),
        )  # fmt: skip
    return choice(
        rng,
        (f"Successfully {done}{about}", f"{done.capitalize()}{about}", "OK", "Done.", "Success",
         f"{done.capitalize()}{about} successfully.", dump_json({"success": True}),
         dump_json({"status": done}), f"ok: {done}"),
    )  # fmt: skip


def _listed(d: Drawing, names: list[Any]) -> str:
    rng = d.rng
    form = rng.random()
    if form < 0.2:
        return dump_json(names)
    if form < 0.3:
        return dump_json({"items": names})
    mark = choice(rng, ("{}", "{}", *_MARKS)) if form < 0.8 else ""
    lines = [(mark or choice(rng, _MARKS[2:4])).format(plain_text(name)) for name in names]
    if rng.random() < 0.25:
        lines.insert(0, choice(rng, ("Found:", "Results:", f"{len(names)} found:", "All of them:")))
    return "\n".join(lines)
