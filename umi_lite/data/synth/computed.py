"""Requests for what a general tool makes of another tool's result: "3 times the price of tea"."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from umi_lite.data.synth import general, requests
from umi_lite.data.synth.general import GeneralTool
from umi_lite.data.synth.generic import Clause
from umi_lite.data.synth.parts import Misfit, Part, ask_of, draw_part
from umi_lite.data.synth.pools import choice
from umi_lite.data.synth.tasks import Draft
from umi_lite.data.synth.values import Drawn
from umi_lite.data.synth.wording import SynthTool
from umi_lite.protocol.roles import plain_text

# Of the tasks, those that compute nothing, compute twice, and ask in one noun phrase.
_PLAIN, _TWICE, _NOUN = 0.2, 0.2, 0.6
# "The price of {lamp}, please." asks for one value; a history and the best ones do not.
_THE = re.compile(r"^The (?P<noun>(?!history|list|details)[^.{]+ of [^.]+), please\.$")
_UNITS = "|".join(general.compute.UNITS)
_UNIT = re.compile(rf" in (?P<unit>{_UNITS})\b")
_RESULT_UNIT = re.compile(rf"\}} (?P<unit>{_UNITS})\b")
_ALIKE = {unit: kind for unit, (kind, _) in general.compute.UNITS.items()}


@dataclass(frozen=True)
class Operation:
    """What is made of a value.

    Attributes:
        of: `number`, `text`, `date` or `unit`, what the value must be; `gives`: what it becomes.
        nouns: what is asked for, where {x} is the value and {n} the operand.
        does: the same as imperatives about the value ("it").
        sum: an expression of {r}, the value, and {n}.
    """

    of: str
    gives: str
    nouns: tuple[str, ...]
    does: tuple[str, ...]
    sum: str = ""


_OPERATIONS = {
    "times": Operation(
        "number", "number", ("{n} times {x}", "{x} times {n}", "{x} multiplied by {n}"),
        ("multiply it by {n}", "multiply that by {n}"), "{r} * {n}",
    ),
    "plus": Operation(
        "number", "number", ("{x} plus {n}", "the sum of {x} and {n}", "{n} more than {x}"),
        ("add {n} to it", "add {n} to that"), "{r} + {n}",
    ),
    "minus": Operation(
        "number", "number", ("{x} minus {n}", "{n} less than {x}"),
        ("subtract {n} from it", "take {n} off that"), "{r} - {n}",
    ),
    "by": Operation(
        "number", "number", ("{x} divided by {n}", "{x} split into {n} equal parts"),
        ("divide it by {n}", "split that into {n} equal parts"), "{r} / {n}",
    ),
    "upper": Operation(
        "text", "text", ("{x} in capitals", "{x} in upper case", "{x}, all in capitals"),
        ("write it in capitals", "put that into upper case"),
    ),
    "lower": Operation(
        "text", "text", ("{x} in small letters", "{x} in lower case"),
        ("write it in small letters", "put that into lower case"),
    ),
    "reverse": Operation(
        "text", "text", ("{x} backwards", "{x} spelled backwards"),
        ("write it backwards", "turn that around letter by letter"),
    ),
    "words": Operation(
        "text", "number", ("the number of words in {x}", "how many words {x} has"),
        ("count its words",),
    ),
    "weekday": Operation(
        "date", "text", ("the weekday of {x}", "which day of the week {x} is"),
        ("tell me which weekday that is",),
    ),
    "later": Operation(
        "date", "date", ("the date {n} days after {x}", "{n} days after {x}"),
        ("add {n} days to it", "tell me the date {n} days later"),
    ),
    "unit": Operation(
        "unit", "number", ("{x} in {n}", "{x}, converted to {n}"),
        ("convert it to {n}", "change that into {n}"),
    ),
}  # fmt: skip


def draft_computed(draft: Draft, made: SynthTool) -> None:
    """Draft a call and at most two that compute with its result.

    Raises:
        Misfit: the tool's wording has no noun phrase.
    """
    rng, catalog = draft.rng, draft.catalog
    first, noun, unit = _first(draft, made)
    draft.parts = [first]
    of = catalog.computable(made)
    of = "unit" if of == "number" and unit and rng.random() < 0.7 else of
    count = 0 if rng.random() < _PLAIN else 2 if rng.random() < _TWICE else 1
    does: list[str] = []
    for _ in range(count):
        able = [name for name, one in _OPERATIONS.items() if one.of == of]
        if not able:
            break
        what = choice(rng, able)
        operation, used = _OPERATIONS[what], choice(rng, general.BY_WHAT[what])
        operand = _operand(rng, what, unit)
        draft.parts.append(_part(used, operation, operand, unit))
        noun = choice(rng, operation.nouns).format(
            x=_UNIT.sub("", noun) if of == "unit" else noun, n=operand
        )
        does.append(choice(rng, operation.does).format(n=operand))
        of, unit = operation.gives, ""
    draft.also = _others(rng, {one.made.tool.name for one in draft.parts[1:]})
    if rng.random() < _NOUN:
        asks = [Clause(True, noun)]
    else:
        asked = ask_of(rng, first, draft.split, catalog.alike(made))
        asks = [asked, *(Clause(False, text) for text in does)]
    draft.ask = requests.instruction(rng, asks, draft.split, chained=bool(does))


def _first(draft: Draft, made: SynthTool) -> tuple[Part, str, str]:
    """Return the part whose result is computed with, its noun phrase, and the result's unit."""
    own = made.wording
    if own is not None:
        nouns = [text for text in own.requests if _THE.match(text)]
        if not nouns:
            raise Misfit("its wording has no noun phrase")
        made = replace(made, wording=replace(own, requests=(choice(draft.rng, nouns),)))
    part = draw_part(draft.d, made, draft.mix)
    ask = ask_of(draft.rng, part, draft.split, draft.catalog.alike(made))
    text = ask.text if isinstance(ask, Clause) and ask.noun else ""
    if isinstance(ask, str) and (found := _THE.match(ask)):
        text = f"the {found['noun']}"
    if not text or "{" in text:
        raise Misfit("its wording has no noun phrase")
    said = own.result if own is not None else ()
    found = _UNIT.search(text) or next(filter(None, map(_RESULT_UNIT.search, said)), None)
    return part, text, found["unit"] if found else ""


def _operand(rng: random.Random, what: str, unit: str) -> str:
    if what == "unit":
        others = [name for name, kind in _ALIKE.items() if kind == _ALIKE[unit] and name != unit]
        return choice(rng, others)
    return str(rng.randint(2, 12) if what == "by" else rng.randint(2, 95))


def _part(used: GeneralTool, operation: Operation, operand: str, unit: str) -> Part:
    drawn: dict[str, Drawn] = {}
    if used.operand and operation.of != "text":
        value = operand if operation.of == "unit" or used.sums else int(operand)
        drawn[used.operand] = Drawn(value, operand, "number")
    if used.unit:
        drawn[used.unit] = Drawn(unit, unit, "word")
    return Part(used.made, drawn, compute=_computing(used, operation, operand))


def _computing(
    used: GeneralTool, operation: Operation, operand: str
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def arguments(result: Mapping[str, Any]) -> dict[str, Any]:
        (value,) = result.values()
        if used.sums:
            return {used.value: operation.sum.format(r=plain_text(value), n=operand)}
        if operation.of in ("number", "unit") and isinstance(value, str):
            value = float(value) if "." in value else int(value)
        return {used.value: value}

    return arguments


def _others(rng: random.Random, needed: set[str]) -> list[SynthTool]:
    """Return up to two general tools that compute something else."""
    able = [
        tools for tools in general.BY_WHAT.values()
        if not needed & {one.made.tool.name for one in tools}
        and not (needed and tools[0].sums)
    ]  # fmt: skip
    return [choice(rng, tools).made for tools in rng.sample(able, rng.randint(0, 2))]
