"""Wordings of instructions and of the planner's thoughts, by split.

A thought names the next call with its values and looks one step ahead ("use price for the
lamp, then exchange."), so whether to go on is decided while the clause just done with is in
sight, and the thought after it has that word to follow. The others are "Retry: why, …",
"Done." and "No tool …".
"""

import random
from collections.abc import Sequence

from umi_lite.data.toolworld.pools import Split

# What the tool is wanted for, over the call's arguments.
_WANTED: dict[str, str] = {
    "calculator": "{expression}",
    "python": "{code}",
    "convert": "{value} {unit} to {to}",
    "exchange": "{amount} {currency} to {to}",
    "add_days": "{date} and {days} days",
    "days_between": "{start} and {end}",
    "price": "{product}",
    "stock": "{product}",
    "order_status": "{order}",
    "contact": "the {field} of {name}",
    "country": "{city}",
    "word_count": "{text}",
    "reverse": "{text}",
    "upper": "{text}",
    "todo_add": "{item}",
    "todo_done": "{item}",
    "weekday": "{date}",
    "minutes_between": "{start} and {end}",
    "letter_count": "{letter} in {text}",
    "utc_offset": "{city}",
    "distance": "{start} and {goal}",
    "bmi": "{weight} kg and {height} m",
    "roman": "{number}",
    "book_author": "{title}",
    "book_shelf": "{title}",
    "reserve_book": "{title}",
    "read_file": "{name}",
    "find_text": "{text}",
}
INTENTS: dict[str, tuple[str, ...]] = {
    tool: (f"use {tool} for {wanted}", f"use {tool}: {wanted}") for tool, wanted in _WANTED.items()
} | {tool: (f"use {tool}",) for tool in ("todo_list", "today", "list_files")}


ANSWER = "answer"
RETRY = "Retry"
DONE = "Done."
STUCK = ("No tool helps, {error}.", "No tool goes on, {error}.", "No tool can do it, {error}.")
NO_NOUN = ("No tool knows {text}.", "No tool tells {text}.", "No tool has {text}.")
NO_DO = ("No tool can {text}.", "No tool is able to {text}.", "No tool may {text}.")

# Whole instructions around noun phrases and around imperatives.
_NOUN: dict[bool, tuple[str, ...]] = {
    False: (
        "What is {x}?",
        "Tell me {x}.",
        "Find {x}.",
        "I need {x}.",
        "Please give me {x}.",
        "Can you find {x}?",
        "Look up {x}, please.",
        "Get {x} for me.",
    ),
    True: (
        "I would like to learn {x}.",
        "Could somebody work out {x}?",
        "Help me with this: {x}.",
        "My question is about {x}.",
        "Any idea about {x}?",
        "Let me know {x}.",
    ),
}
_IMPERATIVE: dict[bool, tuple[str, ...]] = {
    False: (
        "{X}.",
        "Please {x}.",
        "Can you {x}?",
        "I want you to {x}.",
        "Could you {x} for me?",
        "Now {x}, please.",
    ),
    True: (
        "It would be nice if you could {x}.",
        "Your job is to {x}.",
        "Would you mind to {x}?",
        "Be so kind and {x}.",
    ),
}
_NOUNS: dict[bool, tuple[str, ...]] = {
    False: (
        "What are {x}?",
        "Tell me {x}.",
        "Find {x}.",
        "I need {x}.",
        "Please give me {x}.",
        "Look up {x}, please.",
    ),
    True: ("I would like to learn {x}.", "My questions are about {x}.", "Let me know {x}."),
}
_IMPERATIVES: dict[bool, tuple[str, ...]] = {
    False: (
        "{X}.",
        "Please {x}.",
        "Can you {x}?",
        "I want you to {x}.",
        "First {first}, then {rest}.",
        "{First}. Then {rest}.",
        "{First}. After that {rest}.",
    ),
    True: (
        "Your job is to {x}.",
        "Begin with this: {first}. Once that is done, {rest}.",
        "It would be nice if you could {x}.",
    ),
}
_FIND = {False: ("find", "tell me", "get", "look up"), True: ("work out", "let me know")}

Clause = tuple[str, str]
"""("noun" or "imperative", its text)."""


def listing(texts: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def instruction(rng: random.Random, clauses: Sequence[Clause], split: Split) -> str:
    """Return one instruction that asks for all clauses, in words of the split."""
    unseen = split == "ood"
    if len(clauses) == 1:
        kind, text = clauses[0]
        frame = rng.choice((_NOUN if kind == "noun" else _IMPERATIVE)[unseen])
        return frame.format(x=text, X=capital(text))
    if all(kind == "noun" for kind, _ in clauses) and rng.random() < 0.6:
        return rng.choice(_NOUNS[unseen]).format(x=listing([text for _, text in clauses]))
    dos = [f"{rng.choice(_FIND[unseen])} {t}" if k == "noun" else t for k, t in clauses]
    frame = rng.choice(_IMPERATIVES[unseen])
    whole, rest = listing(dos), listing(dos[1:])
    return frame.format(x=whole, X=capital(whole), first=dos[0], First=capital(dos[0]), rest=rest)
