"""How people put a request: greetings, lower case, no punctuation, two requests in one message."""

import random

from umi_lite.data.everyday.goals import Split
from umi_lite.data.toolworld.wording import capital

_BEFORE: dict[Split, tuple[str, ...]] = {
    "train": ("Hey, ", "Hi, ", "Hi! ", "Quick question: ", "So, ", "Please help: "),
    "dev": ("Hello, ", "Good morning. ", "One question: ", "Well, "),
}
_AFTER: dict[Split, tuple[str, ...]] = {
    "train": (" Thanks!", " Thank you.", " I need it quickly.", " Thanks"),
    "dev": (" Many thanks!", " It's for a friend.", " Cheers"),
}
_BOTH: dict[Split, tuple[str, ...]] = {
    "train": (
        "{A} {B}", "{A} And {b}", "{A} Also, {b}", "Two things: {a} {B}", "{A} Oh, and {b}",
        "{A} Then {b}", "First: {a} Second: {b}", "{A} One more: {b}", "{A} also {b}",
    ),
    "dev": ("{A} Besides, {b}", "{A} Next: {b}", "1) {A} 2) {B}", "{A} Apart from that, {b}"),
}  # fmt: skip
_ASKING = ("how", "what", "what's", "which", "where", "is")
# First words that stay in capitals.
_PROPER = ("I", "I'm", "Mum", "Dad")


def casual(rng: random.Random, text: str, split: Split) -> str:
    """Return an instruction, in 4 of 10 cases as people type it in a chat."""
    style = rng.random()
    ended = text[-1] in ".?" and ": " not in text
    if style < 0.14:
        before = rng.choice(_BEFORE[split])
        return before + (text if before[-2] in ".!" else _lower(text))
    if style < 0.24 and ended:
        return text + rng.choice(_AFTER[split])
    if style < 0.40:
        typed = _lower(text[:-1] if ended else text)
        return typed.replace("what's", "whats", 1) if typed.startswith("what's") else typed
    return text


def both(rng: random.Random, first: str, second: str, split: Split) -> str:
    """Return one instruction that asks for two things."""
    one, two = _ended(first), _ended(second)
    frame = rng.choice(_BOTH[split])
    return frame.format(A=capital(one), a=_lower(one), B=capital(two), b=_lower(two))


def _ended(text: str) -> str:
    if text[-1] in ".?!":
        return text
    return f"{text}?" if text.split()[0].lower() in _ASKING else f"{text}."


def _lower(text: str) -> str:
    """Return a text that begins in lower case, unless its first word keeps its capital."""
    word = text.split()[0]
    keeps = word.strip(",.?!") in _PROPER or not word[1:].strip(",.?!:'").islower()
    return text if keeps else text[:1].lower() + text[1:]
