"""Draws a value for a JSON Schema, and how the instruction says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from umi_lite.data.synth import spoken
from umi_lite.data.synth.choices import (
    CHOICES,
    described_choices,
    examples_of,
    named_codes,
    say_choice,
)
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.facts import CannotDraw, facts_of
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.names import human, singular, words, words_of
from umi_lite.data.synth.pattern import NoMatch, sample
from umi_lite.data.synth.pools import POOLS, choice, draw
from umi_lite.data.synth.texts import TEXTS, text_of

# Kind: lowest and highest value where the schema has no bounds, and the step.
NUMBERS: dict[str, tuple[float, float, float]] = {
    "count": (2, 30, 1), "small": (1, 8, 1), "rating": (1, 5, 1), "age": (18, 80, 1),
    "year": (1985, 2026, 1), "month_number": (1, 12, 1), "month_day": (1, 28, 1),
    "minutes": (5, 120, 5),
    "seconds": (10, 120, 10), "hours": (1, 12, 1), "days": (2, 21, 1), "weeks": (1, 8, 1),
    "percent": (5, 60, 5), "temperature": (-8, 32, 1), "amount": (10, 4000, 1),
    "measure": (2, 200, 1), "id": (1000, 99999, 1), "number": (2, 500, 1),
    "latitude": (-60, 65, 0.01), "longitude": (-120, 150, 0.01),
}  # fmt: skip
KINDS = frozenset({*NUMBERS, *TEXTS, *POOLS, "boolean", "text"})
"""The kinds that `Wording.returns` may name; others are drawn as words."""
_DURATIONS = frozenset({"seconds", "minutes", "hours", "days", "weeks"})
# Kinds whose value is a phrase that a person puts into quotes.
QUOTED = frozenset({"message", "title", "text", "sql", "task"})
# Kinds that are said with an article.
_WITH_THE = frozenset({"room", "device"})
# Kinds whose values have a form of their own: examples show the form, not the values.
_FORMED = frozenset(
    words(
        "date time datetime iso_duration email url path folder id uuid phone ip ipv6 host version "
        "zip timezone address street username password message title sql expression repo glob "
        "city country language currency person revision"
    )
)
# Kinds that say little: a single example is better.
_LOOSE = frozenset(words("text category tag job word"))
_DEPTH = 4
_MOST_LEAVES = 8


@dataclass(frozen=True)
class Drawn:
    """A value in the schema's form, how the instruction says it, and its kind."""

    value: Any
    said: str
    kind: str


def draw_value(d: Drawing, name: str, schema: Any, depth: int = 0) -> Drawn:
    """Return a value for an argument.

    Raises:
        CannotDraw: none can be drawn.
    """
    if depth > _DEPTH:
        raise CannotDraw(f"{name}: it nests more than {_DEPTH} deep")
    facts = facts_of(schema, d)
    if "const" in facts:
        return Drawn(facts["const"], _say_plain(facts["const"]), "const")
    if isinstance(facts.get("enum"), list):
        return _from_enum(d, name, facts["enum"])
    match facts["type"]:
        case "string":
            return _text(d, name, facts)
        case "integer" | "number":
            return _number(d, name, facts)
        case "boolean":
            value = d.rng.random() < 0.7
            return Drawn(value, "on" if value else "off", "boolean")
        case "array":
            return _list(d, name, facts, depth)
        case "object":
            return _object(d, name, facts, depth)
        case "null":
            return Drawn(None, "nothing", "const")
        case other:
            raise CannotDraw(f"{name}: no value of type {other!r} can be drawn")


def _say_plain(value: Any) -> str:
    return spoken.say_number(value) if isinstance(value, int | float) else str(value)


def _from_enum(d: Drawing, name: str, values: list[Any]) -> Drawn:
    usable = [
        value for value in values if value not in (None, "") and not isinstance(value, dict | list)
    ]
    if not usable:
        raise CannotDraw(f"{name}: its enum has no value that a person could say")
    value = choice(d.rng, usable)
    if not isinstance(value, str):
        return Drawn(
            value, ("on" if value else "off") if isinstance(value, bool) else str(value), "enum"
        )
    said = say_choice(value)
    others = [say_choice(other) for other in usable if isinstance(other, str)]
    names = named_codes(usable)
    if value in names and d.rng.random() < 0.6:
        return Drawn(value, names[value], "enum")
    if others.count(said) > 1 or d.rng.random() < 0.25:
        said = value
    return Drawn(value, said, "enum")


def _text(d: Drawing, name: str, facts: dict[str, Any]) -> Drawn:
    kind = kind_of(name, facts, d.about)
    for _ in range(12):
        value, said = _one_text(d, name, facts, kind)
        if kind in _WITH_THE and not _own_examples(facts):
            said = f"the {said}"
        if _fits(value, facts):
            named = kind == "text" and said.isalpha() and said.istitle()
            return Drawn(value, said, "word" if named else kind)
    if (pattern := facts.get("pattern")) is not None:
        return Drawn(*2 * (_sampled(d, name, facts, pattern),), kind="id")
    least, most = facts.get("minLength", 0), facts.get("maxLength", 10**6)
    if least > 60 or least > most:
        raise CannotDraw(f"{name}: no text of {least} to {most} letters can be drawn")
    text = " ".join(d.pick("word") for _ in range(20))[: min(most, max(least, 12))].strip()
    text = text.ljust(least, "x")
    if not text and most == 0:
        raise CannotDraw(f"{name}: only the empty text is allowed")
    return Drawn(text, text, kind)


def _sampled(d: Drawing, name: str, facts: dict[str, Any], pattern: str) -> str:
    for _ in range(12):
        try:
            text = sample(d.rng, pattern)
        except NoMatch:
            break
        if _fits(text, facts) and text.strip() == text and text:
            return text
    raise CannotDraw(f"{name}: no text can be drawn for the pattern {pattern!r}")


def _fits(text: Any, facts: Mapping[str, Any]) -> bool:
    pattern = facts.get("pattern")
    return (
        isinstance(text, str)
        and facts.get("minLength", 0) <= len(text) <= facts.get("maxLength", 10**6)
        and (pattern is None or bool(re.search(pattern, text)))
    )


def _own_examples(facts: Mapping[str, Any]) -> list[Any]:
    """Return a schema's examples where they are several: they say more than its kind."""
    own = facts.get("examples")
    return own if isinstance(own, list) and len(own) > 2 else []


def _one_text(d: Drawing, name: str, facts: dict[str, Any], kind: str) -> tuple[Any, str]:
    if own := _own_examples(facts):
        value = str(choice(d.rng, own))
        return value, value
    if kind not in _FORMED:
        listed = described_choices(facts) or [
            str(v) for v in examples_of(facts) if isinstance(v, str)
        ]
        listed = [value for value in listed if value.strip()]
        if len(listed) < 2 and kind not in _LOOSE:
            listed = []
        elif not listed and kind in _LOOSE:
            listed = list(CHOICES.get((words_of(name) or ("",))[-1], ()))
        if listed:
            value = choice(d.rng, listed)
            return value, say_choice(value)
    if kind == "text" and (words_of(name) or ("",))[-1] not in ("name", "cursor"):
        by_number = kind_of(name, {"type": "number"})
        if by_number != "number":
            drawn = _number(d, name, {"type": "integer"})
            return str(drawn.value), drawn.said
        if facts.get("description") and len(str(facts["description"]).split()) > 6:
            return text_of("topic", d, name, facts)
    if kind == "text":
        # What is known of it is that it has a name.
        value = d.pick("word").capitalize()
        return value, value
    return text_of(kind, d, name, facts)


def _number(d: Drawing, name: str, facts: dict[str, Any]) -> Drawn:
    kind = kind_of(name, facts, d.about)
    whole = facts["type"] == "integer"
    low, high, step = NUMBERS.get(kind, NUMBERS["number"])
    if kind == "temperature":
        # What is set or asked for; a result may be colder.
        low, high = 10, 30
    if kind == "measure" and "height" in words_of(name) and words_of(name)[-1] == "m":
        low, high, step = 1.45, 2.05, 0.01
    low, high = _bounded(facts, low, high, whole, name)
    unit_share = kind == "percent" and high <= 1
    if "multipleOf" in facts and facts["multipleOf"] > 0:
        step = facts["multipleOf"]
    elif unit_share:
        step = 0.05
    elif high - low < 2 * step or facts.keys() & {"minimum", "maximum"}:
        step = 1 if whole or high - low >= 4 else (high - low) / 10
    if whole:
        step = max(1, int(step)) if float(step).is_integer() or step > 1 else 1
    first = -(-low // step)
    last = high // step
    if last < first:
        raise CannotDraw(f"{name}: no number between {low} and {high} can be drawn")

    def make() -> float | int:
        value = d.rng.randint(int(first), int(last)) * step
        if kind == "amount" and not whole and d.rng.random() < 0.4 and "multipleOf" not in facts:
            value = min(high, value + choice(d.rng, (0.5, 0.99, 0.25)))
        return round(value) if whole or float(value).is_integer() else round(value, 4)

    value = draw(d.rng, "number", d.split, make) if last - first > 40 else make()
    return Drawn(value, _say_number(d, name, kind, value, unit_share), kind)


def _bounded(
    facts: Mapping[str, Any], low: float, high: float, whole: bool, name: str
) -> tuple[float, float]:
    """Return the bounds of a number, narrowed by the schema's own."""
    if {"minimum", "maximum"} <= facts.keys() and facts["maximum"] - facts["minimum"] < 10_000:
        low, high = facts["minimum"], facts["maximum"]
    gap = 1 if whole else 0.01
    least = max((facts.get("minimum", -1e15), facts.get("exclusiveMinimum", -1e15) + gap))
    most = min((facts.get("maximum", 1e15), facts.get("exclusiveMaximum", 1e15) - gap))
    if least > most:
        raise CannotDraw(f"{name}: no number is at least {least} and at most {most}")
    wide = max(1.0, high - low)
    if least > high or most < low:
        low, high = (least, min(most, least + wide)) if least > -1e15 else (most - wide, most)
    return max(low, least), min(high, most)


def _say_number(d: Drawing, name: str, kind: str, value: float | int, unit_share: bool) -> str:
    if unit_share:
        return spoken.say_percent(d.rng, round(value * 100, 2))
    if kind == "percent":
        return spoken.say_percent(d.rng, value)
    if kind == "days" and {"night", "nights"} & set(words_of(name)):
        return "one night" if value == 1 else f"{spoken.say_integer(d.rng, int(value))} nights"
    if kind in _DURATIONS:
        return spoken.say_duration(d.rng, value, kind)
    if isinstance(value, int) and kind in ("count", "small", "number", "amount", "measure"):
        return spoken.say_integer(d.rng, value)
    return spoken.say_number(value)


def _list(d: Drawing, name: str, facts: dict[str, Any], depth: int) -> Drawn:
    least, most = facts.get("minItems", 1), facts.get("maxItems", 10**6)
    if "prefixItems" in facts:
        items = list(facts["prefixItems"])[:_MOST_LEAVES]
    else:
        count = max(least, min(most, choice(d.rng, (1, 2, 2, 3))))
        if count > _MOST_LEAVES:
            raise CannotDraw(f"{name}: more than {_MOST_LEAVES} items are required")
        items = [facts.get("items", {})] * count
    made: list[Drawn] = []
    for item in items:
        for _ in range(8):
            drawn = _item(d, name, item, facts, depth)
            if "prefixItems" in facts or all(drawn.value != other.value for other in made):
                made.append(drawn)
                break
    if len(made) < least:
        raise CannotDraw(f"{name}: {least} different items are required")
    objects = any(isinstance(one.value, dict) for one in made)
    said = (
        "; ".join(one.said for one in made)
        if objects
        else spoken.listing([quoted(one) for one in made])
    )
    return Drawn([one.value for one in made], said, "objects" if objects else "list")


def _item(d: Drawing, name: str, schema: Any, facts: Mapping[str, Any], depth: int) -> Drawn:
    words = [*words_of(name)]
    label = "_".join([*words[:-1], singular(words[-1])]) if words else name
    part = cast(dict[str, Any], schema) if isinstance(schema, dict) else {}
    described = (
        {"description": facts["description"]}
        if "description" in facts and "description" not in part
        else {}
    )
    return draw_value(d, label, {**part, **described} if part or described else schema, depth + 1)


def quoted(one: Drawn) -> str:
    """Return a value as said, in quotes where it is a phrase of its own."""
    return f'"{one.said}"' if one.kind in QUOTED else one.said


def _object(d: Drawing, name: str, facts: dict[str, Any], depth: int) -> Drawn:
    properties: dict[str, Any] = facts.get("properties", {})
    required = [key for key in facts.get("required", ()) if key in properties]
    extra = [key for key in properties if key not in required]
    taken = required or extra[:2]
    if required and extra and d.rng.random() < 0.2:
        taken = [*required, choice(d.rng, extra)]
    if len(taken) > _MOST_LEAVES:
        raise CannotDraw(f"{name}: more than {_MOST_LEAVES} values are required")
    if not taken:
        if facts.get("additionalProperties") is False:
            return Drawn({}, "nothing", "object")
        key, value = choice(d.rng, ("color", "size", "language", "theme")), None
        value = {"color": "blue", "size": "large", "language": "English", "theme": "dark"}[key]
        return Drawn({key: value}, f"{key} {value}", "object")
    parts = {
        key: draw_value(d, key, properties[key], depth + 1) for key in properties if key in taken
    }
    said = spoken.listing([f"{_called(key)} {quoted(one)}" for key, one in parts.items()])
    return Drawn({key: one.value for key, one in parts.items()}, said, "object")


def _called(key: str) -> str:
    """Return what a value of an object is called: a noun also for `since`."""
    return f"{key} date" if key in ("since", "until", "before", "after") else human(key)
