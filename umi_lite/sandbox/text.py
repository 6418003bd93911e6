"""Bounding a text (head and tail kept), and making it harmless."""

import json
import re
import unicodedata


def head_and_tail(text: str, limit: int, missing: int = 0) -> str:
    """Return the text, or its head and tail around `[… n characters left out …]`.

    The result has at most `limit` characters, or the marker's own about 40 where that is
    more. `missing` more characters were already taken out of the middle.
    """
    if len(text) <= limit and not missing:
        return text
    room = max(0, limit - 40)
    tail = min(len(text), room) // 2
    head = min(len(text), room) - tail
    cut = missing + len(text) - head - tail
    return f"{text[:head]}[… {cut} characters left out …]{text[len(text) - tail :]}"


# Controls (tab and line feed are fine), formats such as bidi marks and invisible tags,
# private and unassigned characters, half surrogate pairs, line and paragraph separators.
_HIDDEN = re.compile(r"[^\t\n\x20-\x7e\xa1-\xac\xae-\u034e\u0370-\u05ff]")
_SPOKEN = re.compile(
    r"<(?=[|｜]|/?s>|/?(?:start|end)_of_turn>|/?(?:bos|eos|pad|unk|im_start|im_end)>)"
    r"|\[(?=/?INST\]|/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\])"
    r"|(?<=[|｜])>",
    re.IGNORECASE,
)


def harmless(text: str) -> str:
    r"""Return the text in a form that is safe in a prompt and on a terminal.

    Control characters, ANSI escapes, bidi and invisible characters are written out
    (`\x1b`, `\u202e`); what looks like a chat template's special token gets a space inside,
    `< |im_end| >`. This is a second line of defence: the tokenizer parses no special tokens in a
    tool's output.
    """
    return _SPOKEN.sub(_spaced, visible(text))


def visible(text: str) -> str:
    r"""Return the text in a form that is safe on a terminal, which neither acts on it nor hides it.

    Control characters but tab and line feed, ANSI escapes, bidi and invisible characters, and
    half surrogate pairs are written out, as in `\x1b` and `\u202e`.
    """
    return _HIDDEN.sub(_written_out, text.replace("\r\n", "\n"))


def visible_json(text: str) -> str:
    r"""Return a one-line JSON text with the same characters written as JSON's own `\u001b`."""
    return _HIDDEN.sub(_written_in_json, text)


def _spaced(match: re.Match[str]) -> str:
    return " >" if match.group() == ">" else f"{match.group()} "


def _written_out(match: re.Match[str]) -> str:
    character = match.group()
    if unicodedata.category(character) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"):
        return character
    return ascii(character)[1:-1]


def _written_in_json(match: re.Match[str]) -> str:
    character = match.group()
    shown = _written_out(match) == character
    return character if shown else json.dumps(character)[1:-1]
