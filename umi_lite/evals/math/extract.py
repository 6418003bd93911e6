r"""Finds the answer in a solution of a MATH problem. Text only: nothing is evaluated.

Source: ToRA's rule (arXiv 2309.17452): the last `\boxed{}`, else what follows "answer is",
else what the program printed, else the last number. Added to it: GSM8K's `#### 42` as the last
line, "Answer" as a line of its own, and Markdown, which is taken off first.
"""

import re
from collections import deque

from umi_lite.data.math_problems import boxed as closed_box
from umi_lite.evals.math.markup import without_markup

# Words that make a text prose, so that it is no answer as it stands.
_PROSE_WORDS = 4

_BOX = re.compile(r"\\f?boxed(?![A-Za-z])|\\fbox(?![A-Za-z])")
_SAYS = re.compile(
    r"answer\s*(?:is|:)\s*:?|^[ \t]*(?:(?:the|final)[ \t]+){0,2}answer[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_LAST_MARK = "####"
_SENTENCE_END = re.compile(r"\n|(?<![ap])(?<![ap]\.m)\.(?=\s|$)")
_IN_DOLLARS = re.compile(r"(?<!\\)\$([^$\n]+)\$")
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|-?\.\d+")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|operatorname)\s*\{[^{}]*\}")
_CALL = re.compile(r"[A-Za-z][\w.]*\(")
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


def noted(text: str) -> str | None:
    """Return what GSM8K's `####` announces where it begins the last line, or None."""
    _, mark, tail = text.rstrip().rpartition(_LAST_MARK)
    tail = tail.strip()
    return tail if mark and tail and "\n" not in tail and not is_prose(tail) else None


def said(text: str) -> str | None:
    """Return what follows the last "answer is" (or "answer:"), to the end of its sentence, or None.

    "Answer" as a line of its own announces the next line.
    """
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
    r"""True of four words or more: no answer as it stands.

    Those within `\text{}` and the names of calls, as `Interval.open(`, do not count.
    """
    return len(_WORD.findall(_CALL.sub("(", _TEXT.sub(" ", text)))) >= _PROSE_WORDS


def marked(text: str) -> str | None:
    """Return what is boxed, else what `####` or "answer is" announces, None without any."""
    found = boxed(text)
    if found is not None:
        return without_markup(found)
    note = noted(text)
    if note is None:
        return said(without_markup(text))
    note = without_markup(note)
    return said(note) or note


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
    text = without_markup(text)
    if text.strip() and not is_prose(text):
        return text.strip()
    if output is not None and output.strip():
        return output.strip().splitlines()[-1].strip()
    return last_number(text) or text.strip()


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
