"""What an answer says of a result, and the values that it must hold."""

import random
import re
from collections.abc import Mapping
from typing import Any

from umi_lite.data.synth.describe import thing_head
from umi_lite.data.synth.free import flat
from umi_lite.data.synth.generic import generic
from umi_lite.data.synth.kinds import DONE, FREE
from umi_lite.data.synth.names import done as done_by
from umi_lite.data.synth.names import human, is_plural, words_of
from umi_lite.data.synth.parts import Part
from umi_lite.data.synth.pools import choice
from umi_lite.data.synth.requests import capital
from umi_lite.data.synth.spoken import listing, say_number
from umi_lite.data.synth.values import QUOTED
from umi_lite.data.synth.wording import slots_of


def shown(value: Any) -> str:
    """Return a result's value as an answer says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return say_number(value)
    if isinstance(value, dict):
        return listing([f"{human(name)} {shown(item)}" for name, item in value.items()])
    if isinstance(value, list):
        return listing([shown(item) for item in value])
    return str(value)


def answer_of(
    rng: random.Random, part: Part, arguments: Mapping[str, Any], result: Mapping[str, Any],
    returns: Mapping[str, str],
) -> tuple[str, list[str]]:  # fmt: skip
    """Return the answer's sentence about a part, and the values that it must hold."""
    own = part.made.wording
    if own is not None and own.result and result.keys() & returns.keys():
        templates = [t for t in own.result if set(slots_of(t)) <= {*result, *arguments}]
        if templates:
            template = choice(rng, templates)
            fields = [slot for slot in slots_of(template) if slot in result]
            shared = [
                name for name in fields if all(name in slots_of(other) for other in own.result)
            ]
            texts = {name: shown(value) for name, value in {**arguments, **result}.items()}
            if fields:
                said = re.sub(r"\{([^{}]+)\}", lambda found: texts[found[1]], template)
                return capital(said), [g for name in shared or fields for g in _golds(result[name])]
    return _generic_answer(rng, part, result, returns)


def _golds(value: Any) -> list[str]:
    return [shown(item) for item in value] if isinstance(value, list) else [shown(value)]


def _generic_answer(
    rng: random.Random, part: Part, result: Mapping[str, Any], returns: Mapping[str, str]
) -> tuple[str, list[str]]:
    made = part.made
    wording = generic(made.tool.name, made.tool.description)
    noun = "item" if wording.verb == "run" else thing_head(wording.rest)
    if not noun or "{" in noun or len(noun.split()) > 4 or not noun.isascii():
        noun = "item"
    done = [name for name in result if returns.get(name) == DONE]
    others = [name for name in result if name not in done]
    if len(others) == 1 and returns.get(others[0]) == FREE:
        said = str(result[others[0]])
        return f"It says: {flat(said)}", [line for line in said.split("\n") if line.strip()][:4]
    golds = [gold for name in others for gold in _golds(result[name])][:4]
    if made.verb != "query":
        verb = str(result[done[0]]) if done else done_by(made.tool.name, made.tool.description)
        subject = f"the {noun}" if noun != "item" else "it"
        be = (
            "is"
            if verb.endswith("ing")
            else "have"
            if is_plural(noun.split(" ")[-1]) or " and " in noun
            else "has"
        )
        text = f"{subject} is {verb}" if be == "is" else f"{subject} {be} been {verb}"
        if others:
            whose = "the" if be == "have" else "its"
            values = listing([f"{whose} {_fact(name, result, returns)}" for name in others])
            text = f"{text}, and {values}"
        return capital(text) + ".", [verb, *golds] if done else golds
    if len(others) == 1 and isinstance(result[others[0]], list):
        names = result[others[0]]
        forms = ("I found {x}", "there are {x}", "these are {x}")
        text = choice(rng, forms if len(names) > 1 else forms[:1]).format(x=shown(names))
        return capital(text) + ".", golds
    texts = [f"the {_fact(name, result, returns)}" for name in others]
    return capital(listing(texts)) + ".", golds


def _fact(name: str, result: Mapping[str, Any], returns: Mapping[str, str]) -> str:
    return f"{_label(name)} is {_said(result[name], returns, name)}"


def _label(name: str) -> str:
    label = human(name)
    words = words_of(name)
    if words[-1:] in (("km",), ("mg",), ("kg",)):
        label = human("_".join(words[:-1]))
    if words[-1:] == ("minutes",):
        label = human("_".join(words[:-1])) or "time"
    return label


_UNITS = {"km": " km", "mg": " mg", "kg": " kg", "minutes": " minutes", "percent": "%"}


def _said(value: Any, returns: Mapping[str, str], name: str) -> str:
    unit = _UNITS.get((words_of(name) or ("",))[-1], "")
    text = shown(value)
    return f'"{text}"' if returns.get(name) in QUOTED else f"{text}{unit}"
