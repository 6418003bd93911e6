"""A tool as a draft, before it is named and documented; nouns with articles, and plurals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from umi_lite.data.synth.names import is_plural
from umi_lite.data.wild.lexicon import Domain, Kind

_BRACKETS = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class Draft:
    """A tool before it has a style.

    Attributes:
        words: of its name, the verb first: ("book", "table").
        arguments: in order; required: those that each request mentions.
        does: what it does, a sentence without its period.
        query: True if it finds something out.
    """

    domain: Domain
    topic: str
    words: tuple[str, ...]
    arguments: Mapping[str, Kind]
    required: tuple[str, ...]
    requests: tuple[str, ...]
    thing: str
    does: str
    query: bool
    result: tuple[str, ...] = ()
    returns: Mapping[str, Kind] = field(default_factory=dict)


def expanded(template: str) -> list[str]:
    """Return a template without its bracketed parts, with each of them, and with all."""
    parts = _BRACKETS.findall(template)
    chosen = [set(), *({part} for part in parts)]
    if len(parts) > 1:
        chosen += [set(pair) for pair in combinations(parts, 2)][:2]
    found = [
        _BRACKETS.sub(lambda m: m[1] if m[1] in kept else "", template)  # noqa: B023
        for kept in chosen
    ]
    return list(dict.fromkeys(" ".join(text.split()) for text in found))


def a_noun(noun: str) -> str:
    """Return a noun with its article, where it takes one."""
    first = noun.split(" ")[0]
    last = re.split(r" (?:of|for|in|at|on|to|from|with|between) ", noun)[0]
    if first in ("a", "an", "the") or is_plural(last.split(" ")[-1]) or last.split(" ")[-1] in MASS:
        return noun
    vowel = first[:1] in "aeiou" and not first.startswith(("use", "uni", "eu"))
    return f"{'an' if vowel else 'a'} {noun}"


def plural_of(noun: str) -> str:
    """Return a noun's plural."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


# Nouns without an article.
MASS = frozenset(
    {
        *("weather", "music", "news", "money", "cash", "code", "traffic", "luggage"),
        *("baggage", "spelling", "late", "in", "out", "water", "data", "playback", "volume"),
        *("housing", "energy", "waste", "firewood", "honey", "sentiment", "disk", "usage"),
        *("text", "agenda", "status", "conversion", "rain", "sea", "snow", "help", "row"),
    }
)
