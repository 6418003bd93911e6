"""Takes Markdown off a solution: emphasis, code marks, fences and headings. Text only.

What is mathematics stays: `2**3`, `x_1`, `a * b`.
"""

import re

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
