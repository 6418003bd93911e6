"""Checks of an answer against the gold: toolworld's values, GSM8K's numbers.

A toolworld gold is one or more parts, joined by " | "; an answer must contain each of them as
whole words. GSM8K's rule is the official one (grade-school-math, `calculate_accuracy`): the
number after `####`, commas left out; an answer without the mark is read by its last number.
"""

import re
from decimal import Decimal, InvalidOperation

PARTS = " | "
# An answer is a sentence, not a copy of the transcript.
LONGEST_BASE, LONGEST_PER_PART = 120, 60
# Numbers that are neither asked for nor in the question: an intermediate result is fine,
# a list of guesses is not.
STRAY_NUMBERS = 2

_TOKEN = re.compile(r"[^\W_]+(?:[-+.:@_/][^\W_]+)*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)[^\W\d_]+")


def tokens(text: str) -> list[str]:
    """Return the words and numbers of a text, without commas in numbers and units after them."""
    found: list[str] = []
    bare = _THOUSANDS.sub("", text)
    for match in _TOKEN.finditer(bare):
        token = match.group()
        unit = _WITH_UNIT.fullmatch(token)
        if unit:
            token = unit.group(1)
        # A minus belongs to a number, a hyphen between words does not.
        before = bare[max(0, match.start() - 2) : match.start()]
        if number(token) is not None and re.fullmatch(r"-|[^\w)]-", before):
            token = f"-{token}"
        found.append(token)
    return found


def number(text: str) -> Decimal | None:
    """Return the number that a text is, commas ignored, or None."""
    if not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        return Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None


def _same(wanted: str, said: str) -> bool:
    one, other = number(wanted), number(said)
    if one is not None and other is not None:
        return one == other
    # What is in capitals was asked for in capitals.
    return wanted == said if wanted.isupper() else wanted.casefold() == said.casefold()


def _holds(part: str, said: list[str]) -> bool:
    wanted = tokens(part)
    return bool(wanted) and any(
        all(map(_same, wanted, said[at : at + len(wanted)]))
        for at in range(len(said) - len(wanted) + 1)
    )


def holds_gold(gold: str, answer: str, instruction: str = "") -> bool:
    """True if the answer contains every gold part and is an answer, not a dump.

    A dump is longer than 120 characters plus 60 per part, or has more than two numbers
    that are neither in the gold nor in the instruction.
    """
    parts = gold.split(PARTS)
    if len(answer) > LONGEST_BASE + LONGEST_PER_PART * len(parts) + len(gold):
        return False
    said = tokens(answer)
    known = {number(token) for text in (gold, instruction) for token in tokens(text)}
    stray = {number(token) for token in said} - known - {None}
    return len(stray) <= STRAY_NUMBERS and all(_holds(part, said) for part in parts)


def gsm8k_number(text: str) -> Decimal | None:
    """Return the number after the last `####`, otherwise the last number of the text, or None."""
    _, mark, tail = text.rpartition("####")
    found = _NUMBER.findall(tail if mark else text)
    wanted = found[:1] if mark else found[-1:]
    return number(wanted[0]) if wanted else None


def gsm8k_correct(gold: str, answer: str | None) -> bool:
    """True if the answer's number equals the gold's; an answer without one is wrong."""
    wanted = gsm8k_number(gold)
    return wanted is not None and answer is not None and gsm8k_number(answer) == wanted
