r"""Find the answer in a solution of a MATH problem: text only, nothing is evaluated.

Source: ToRA's rule (arXiv 2309.17452): the last `\boxed{}`, else what follows "answer is",
else what the program printed, else the last number. Added to it: GSM8K's `#### 42` as the last
line, "Answer" alone on a line, and Markdown, which is removed first.
"""

import re
from collections import deque

from umi_lite.data.boxed import boxed as closed_box

# From this many words on, a text is prose and not itself an answer.
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
_MARKED = re.compile(r"[*_`#~]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*\w*[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+|[ \t]+#{1,6}[ \t]*$", re.MULTILINE)
# A mark opens after a blank or punctuation and closes before one, its text next to both. The text
# holds no such mark, so that each is looked at once.
_EMPHASIS = (
    re.compile(r"(?<![\w*\\)\]}])\*{3}(?=[^\s*])((?:[^*\n]|\*(?!\*\*))+)(?<=[^\s*])\*{3}(?![\w*])"),
    re.compile(r"(?<![\w*\\)\]}])\*{2}(?=[^\s*])((?:[^*\n]|\*(?!\*))+)(?<=[^\s*])\*{2}(?![\w*])"),
    re.compile(r"(?<![\w\\)\]}])_{2,3}(?=[^\s_])((?:[^_\n]|_(?!_))+)(?<=[^\s_])_{2,3}(?![\w{(])"),
    re.compile(r"(?<![\w`\\])`{1,2}(?=[^\s`])([^`\n]+)(?<=[^\s`])`{1,2}(?![\w`])"),
    # One star after a number or a single letter is a product: 2 *x* 3.
    re.compile(
        r"(?<![\w*\\)\]}$])(?<![\d)\]}] )(?<!\b[A-Za-z] )"
        r"\*(?=[^\s*)])([^*\n]+)(?<=[^\s*(])\*(?![\w*(])"
    ),
    re.compile(r"(?<![\w\\)\]}])_(?=[^\s_{])([^_\n]+)(?<=[^\s_])_(?![\w{(])"),
)
# A whole line in bold may hold powers: **x**2 + 1**.
_BOLD_LINE = re.compile(r"^[ \t]*\*\*(\S.*\S|\S)\*\*[.]?[ \t]*$", re.MULTILINE)
_DEEPEST = 4


def boxed(text: str) -> str | None:
    r"""Return the content of the last `\boxed{…}` or `\fbox{…}` (also `\boxed 7`), or None.

    A box that is not closed ends with the text.
    """
    found = closed_box(text)
    last = _last(_BOX, text)
    if found is not None or last is None:
        return found
    return text[last.end() :].lstrip().removeprefix("{").strip()


def noted(text: str) -> str | None:
    """Return what follows GSM8K's `####` where it begins the last line, or None."""
    _, mark, tail = text.rstrip().rpartition(_LAST_MARK)
    tail = tail.strip()
    return tail if mark and tail and "\n" not in tail and not is_prose(tail) else None


def said(text: str) -> str | None:
    """Return what follows the last "answer is" (or "answer:"), to the end of its sentence, or None.

    "Answer" alone on a line announces the next line.
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
    """Return the last number of a text as it is written, or None."""
    found = _NUMBER.findall(text)
    return found[-1] if found else None


def is_prose(text: str) -> bool:
    r"""True if the text has four words or more, so that it is not itself an answer.

    Words within `\text{}` and names of calls, as `Interval.open(`, do not count.
    """
    return len(_WORD.findall(_CALL.sub("(", _TEXT.sub(" ", text)))) >= _PROSE_WORDS


def marked(text: str) -> str | None:
    """Return what is boxed, else what `####` or "answer is" announces, or None."""
    found = boxed(text)
    if found is not None:
        return without_markup(found)
    note = noted(text)
    if note is None:
        return said(without_markup(text))
    note = without_markup(note)
    return said(note) or note


def answer_of(text: str, output: str | None = None) -> str:
    r"""Return the answer that a solution gives; "" where there is none.

    A text without a box or "answer is" is itself the answer if it is not prose or has no number.

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


def without_markup(text: str) -> str:
    """Return the text without Markdown; its lines stay where they are."""
    if not _MARKED.search(text):
        return text
    text = _HEADING.sub("", _FENCE.sub("", text))
    for _ in range(_DEEPEST):
        before = text
        for pattern in (*_EMPHASIS, _BOLD_LINE):
            text = pattern.sub(r"\1", text)
        if text == before:
            break
    return text


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
