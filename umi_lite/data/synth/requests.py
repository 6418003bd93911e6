"""Whole instructions: sentences round what is asked for, how several are joined, today's date."""

import datetime
import random
import re
from collections.abc import Sequence

from umi_lite.data.synth.generic import Clause
from umi_lite.data.synth.names import VERBS, is_plural, words
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.spoken import MONTHS, NO_PREPOSITION, WEEKDAYS, listing

_NOUN: dict[Split, tuple[str, ...]] = {
    "train": (
        "What {is} {x}?",
        "Tell me {x}.",
        "I need {x}.",
        "Please find {x}.",
        "Can you get me {x}?",
        "Look up {x}, please.",
        "Show me {x}.",
        "Could you find out {x}?",
        "I'd like to know {x}.",
        "Give me {x}.",
        "Can you find {x} for me?",
        "Get me {x}, please.",
    ),
    "dev": (
        "I'm curious about {x}.",
        "Let me have {x}.",
        "Would you look up {x}?",
        "Check {x} for me.",
        "I'm wondering about {x}.",
    ),
    "test": (
        "I want to see {x}.",
        "Could I get {x}?",
        "Help me find {x}.",
        "I'm after {x}.",
        "Fetch {x} for me.",
    ),
}
_DO: dict[Split, tuple[str, ...]] = {
    "train": (
        "{X}.",
        "Please {x}.",
        "Can you {x}?",
        "Could you {x}?",
        "I need you to {x}.",
        "{X}, please.",
        "I want you to {x}.",
        "Could you please {x}?",
        "I'd like you to {x}.",
    ),
    "dev": ("Would you {x}?", "Kindly {x}.", "Your task is to {x}.", "Go ahead and {x}."),
    "test": (
        "It would be great if you could {x}.",
        "Help me {x}.",
        "I would be glad if you could {x}.",
        "Please help me {x}.",
        "Would you please {x}?",
    ),
}
_FIND: dict[Split, tuple[str, ...]] = {
    "train": ("find", "look up", "get", "tell me"),
    "dev": ("find out", "check"),
    "test": ("fetch", "show me"),
}
_BEFORE: dict[Split, tuple[str, ...]] = {
    "train": ("Hi! ", "Hello, ", "Hey, ", "One thing: ", "Quick question: "),
    "dev": ("Good morning. ", "Morning! "),
    "test": ("Hi there. ", "Good evening. "),
}
_NEXT: dict[Split, tuple[str, ...]] = {
    "train": ("Then", "Also,", "After that,", "And"),
    "dev": ("Next,", "In addition,"),
    "test": ("Afterwards,", "On top of that,"),
}
# Where the second thing needs the result of the first one.
_WITH_THAT: dict[Split, tuple[str, ...]] = {
    "train": ("Then", "After that,", "Once you have it,"),
    "dev": ("Next,", "With that,"),
    "test": ("Afterwards,", "When that is known,"),
}
_JOINED: dict[Split, tuple[str, ...]] = {
    "train": (
        "First {first}, then {rest}.",
        "{X}.",
        "Please {x}.",
        "Can you {x}?",
        "{First}, then {rest}.",
        "I need you to {x}.",
    ),
    "dev": ("Begin by doing this: {first}. When done, {rest}.", "Would you {x}?"),
    "test": ("There is a list of things to do: {x}.", "Start with this: {first}. Finally, {rest}."),
}
_TODAY: dict[Split, tuple[str, ...]] = {
    "train": (
        "Today is {weekday}, {iso}.",
        "It is {weekday}, {date} today.",
        "(Today: {weekday}, {iso})",
    ),
    "dev": ("Today's date is {iso}, a {weekday}.",),
    "test": ("Note that today is {weekday}, {date}.", "The date today is {iso} ({weekday})."),
}
_NO_ON = re.compile(
    r"\b(?:on|in|at) (?=(?:" + "|".join(re.escape(word) for word in NO_PREPOSITION) + r"))"
)
_NO_ON_DAYS = re.compile(r"\bon (?=[a-z]+ days from today|a week from today)")


def frames(split: Split) -> list[str]:
    """Return the sentences of a split that whole instructions are made of."""
    tables = (_NOUN, _DO, _FIND, _BEFORE, _NEXT, _WITH_THAT, _JOINED, _TODAY)
    return [text for table in tables for text in table[split]]


Ask = Clause | str
"""A clause, or a whole sentence."""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class Named(str):
    """A sentence that begins with a value: its first letter stays as it is."""


def lowered(text: str) -> str:
    """Return a sentence to follow a connective: its first letter small, but for a name's or I."""
    first, _, rest = text.partition(" ")
    if isinstance(text, Named) or first in _I or not first[1:].replace("'", "").islower():
        return text
    # "Anna Berg needs a table" begins with a name, "Keep N-2196" and "Play Late Train" do not.
    if _NAME.match(rest) and first.lower() not in _NEVER_NAMES:
        return text
    return text[:1].lower() + text[1:]


_I = ("I", "I'm", "I'd", "I've", "I'll")
_NAME = re.compile(r"[A-Z][a-z]+")
_NEVER_NAMES = VERBS | frozenset(
    words(
        "what what's tell please can could would let how which when where who is are was has have "
        "does did do will should may the a an my our this that these in on at for from with by of "
        "to if and or any some all let's it's there how's who's where's use go keep leave rank pin "
        "greet enter bookmark alert wake ask hand bill correct attach hold suggest recommend take "
        "note throw wait ping allow shut repair excuse tip answer react settle retract exchange "
        "forecast enroll comment zip swap balance shorten release lend visit policy average don't "
        "dump info mail monitor name nudge since star taken warn watch we"
    )
)


def tidy(text: str) -> str:
    """Return a filled text without prepositions that relative days do not take."""
    text = _NO_ON.sub("", text)
    text = _NO_ON_DAYS.sub("", text)
    text = re.sub(r"\b(from|the|in|at|on|to|for|by) \1\b", r"\1", text)
    text = re.sub(r"\b(my|an?|our|your) the\b", r"\1", text)
    text = re.sub(r"\b(?:the|an?|my|our) (that [a-z])", r"\1", text)
    text = re.sub(r"([.!?])\"([.?!])", r'\1"', text)
    text = re.sub(r"([.!?])(?:\.)(?=\s|$)", r"\1", text)
    return " ".join(text.split())


def sentence(rng: random.Random, ask: Ask, split: Split) -> str:
    """Return one thing asked for as a sentence."""
    if isinstance(ask, str):
        return ask if ask.endswith((".", "?", "!")) else f"{ask}."
    text = ask.text
    frame = choice(rng, (_NOUN if ask.noun else _DO)[split])
    verb = "are" if ask.noun and _many(text) else "is"
    return frame.format(x=text, X=capital(text), **{"is": verb})


_AFTER_HEAD = r" (?:for|of|in|at|from|to|on|with|between|about|by|that|which) | \{"


def _many(noun: str) -> bool:
    """True if a noun phrase is a plural: its head before the first preposition or slot."""
    head = re.split(_AFTER_HEAD, noun, maxsplit=1)[0].split(" ")
    last = head[-1].lower()
    return (
        is_plural(last) and last not in ("news", "data", "information", "media")
    ) or " and " in " ".join(head)


def instruction(
    rng: random.Random, asks: Sequence[Ask], split: Split, chained: bool = False
) -> str:
    """Return one instruction that asks for all.

    Args:
        chained: True if a later thing needs the result of an earlier one.
    """
    if len(asks) == 1:
        return sentence(rng, asks[0], split)
    clauses = [ask for ask in asks if isinstance(ask, Clause)]
    if len(clauses) == len(asks) and rng.random() < 0.6:
        return _one_sentence(rng, clauses, split, chained)
    first, *others = [sentence(rng, ask, split) for ask in asks]
    texts = [first]
    for other in others:
        connectives = (_WITH_THAT if chained else _NEXT)[split]
        word = choice(rng, connectives)
        if word == "And" and "?" not in other:
            word = "Also,"
        texts.append(f"{word} {lowered(other)}")
    return " ".join(texts)


def _one_sentence(
    rng: random.Random, clauses: Sequence[Clause], split: Split, chained: bool
) -> str:
    if not chained and all(one.noun for one in clauses) and rng.random() < 0.6:
        text = listing([one.text for one in clauses])
        frames = [frame for frame in _NOUN[split] if "{is}" not in frame or len(clauses) == 2]
        return choice(rng, frames).format(x=text, X=capital(text), **{"is": "are"})
    dos = [f"{choice(rng, _FIND[split])} {one.text}" if one.noun else one.text for one in clauses]
    if chained:
        whole = (
            ", then ".join(dos)
            if len(dos) == 2
            else f"{', then '.join(dos[:-1])}, and finally {dos[-1]}"
        )
        return choice(rng, _DO[split]).format(x=whole, X=capital(whole))
    whole, rest = listing(dos), listing(dos[1:])
    frame = choice(rng, _JOINED[split])
    return frame.format(x=whole, X=capital(whole), first=dos[0], First=capital(dos[0]), rest=rest)


def opened(rng: random.Random, text: str, split: Split) -> str:
    """Return an instruction, sometimes with a greeting before it."""
    if rng.random() > 0.12:
        return text
    before = choice(rng, _BEFORE[split])
    return before + (lowered(text) if before.endswith((", ", ": ")) else capital(text))


def with_today(rng: random.Random, text: str, today: datetime.date, split: Split) -> str:
    """Return an instruction with today's date stated before or after it."""
    note = choice(rng, _TODAY[split]).format(
        weekday=WEEKDAYS[today.weekday()], iso=today.isoformat(),
        date=f"{MONTHS[today.month - 1]} {today.day}, {today.year}",
    )  # fmt: skip
    return f"{note} {text}" if rng.random() < 0.5 else f"{text} {note}"
