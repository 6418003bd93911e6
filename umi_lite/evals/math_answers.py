r"""Finds the answer in a solution of a MATH problem. Text only: nothing is evaluated.

Source: ToRA's rule (arXiv 2309.17452): the last `\boxed{}`, else what follows "answer is",
else what the program printed, else the last number.
"""

import re
from collections import deque

from umi_lite.data.math import boxed as closed_box

# Words that make a text prose, so that it is no answer as it stands.
_PROSE_WORDS = 4

_BOX = re.compile(r"\\f?boxed(?![A-Za-z])|\\fbox(?![A-Za-z])")
_SAYS = re.compile(r"answer\s*(?:is|:)\s*:?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|(?<![ap])(?<![ap]\.m)\.(?=\s|$)")
_IN_DOLLARS = re.compile(r"(?<!\\)\$([^$\n]+)\$")
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|-?\.\d+")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|operatorname)\s*\{[^{}]*\}")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{…}` or `\fbox{…}` (also `\boxed 7`), None without one.

    A box that is not closed ends with the text.
    """
    found = closed_box(text)
    last = _last(_BOX, text)
    if found is not None or last is None:
        return found
    return text[last.end() :].lstrip().removeprefix("{").strip()


def said(text: str) -> str | None:
    """What follows the last "answer is" (or "answer:"), to the end of its sentence, or None."""
    last = _last(_SAYS, text)
    if last is None:
        return None
    tail = text[last.end() :].lstrip()
    end = _SENTENCE_END.search(tail)
    sentence = tail[: end.start()] if end else tail
    formula = _IN_DOLLARS.match(sentence)
    return (formula.group(1) if formula else sentence).strip()


def last_number(text: str) -> str | None:
    """The last number of a text as it is written, None without one."""
    found = _NUMBER.findall(text)
    return found[-1] if found else None


def is_prose(text: str) -> bool:
    r"""At least four words, those within `\text{}` not counted: no answer as it stands."""
    return len(_WORD.findall(_TEXT.sub(" ", text))) >= _PROSE_WORDS


def marked(text: str) -> str | None:
    """What is boxed, else what "answer is" says, None where there is neither."""
    found = boxed(text)
    return said(text) if found is None else found


def answer_of(text: str, output: str | None = None) -> str:
    r"""The answer that a solution gives; "" where there is none.

    A text without a box or "answer is" that is no prose, or has no number, is itself the answer.

    Args:
        text: the solution, or a bare answer.
        output: what the solution's last program printed, where it ran one.
    """
    found = marked(text)
    if found is not None:
        return found
    if text.strip() and not is_prose(text):
        return text.strip()
    if output is not None and output.strip():
        return output.strip().splitlines()[-1].strip()
    return last_number(text) or text.strip()


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
