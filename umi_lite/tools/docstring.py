"""Docstring reader: the description and the notes on parameters, in any of the usual styles."""

import functools
import re
from collections.abc import Mapping
from typing import Any

_BULLET = re.compile(r"^(?:[-+•]\s+|\*\s+)")


@functools.lru_cache(maxsize=256)
def read_docstring(text: str) -> tuple[str, Mapping[str, str]]:
    """Return a docstring's first paragraph, and its note on each parameter; one line each.

    The style (Google, numpy, reST, epydoc) is the one that finds the most parameters.
    """
    from docstring_parser import ParseError, epydoc, numpydoc, rest

    readings: list[Any] = []
    for parse in (rest.parse, _lenient_google().parse, numpydoc.parse, epydoc.parse):
        try:
            readings.append(parse(text))
        except ParseError:
            continue
    # The first of equals: with no parameter found, all of them have the same description.
    best = max(readings, key=lambda reading: len(reading.params))
    notes: dict[str, str] = {}
    for found in best.params:
        names, bracket, _ = found.arg_name.partition("(")
        # numpy's layout with Google's line, `x (str) : the text`: read as a type.
        note = found.description or (found.type_name if bracket else "") or ""
        for name in _BULLET.sub("", names).split(","):
            notes[name.strip(" `*")] = _one_line(note)
    return _one_line((best.description or "").strip().split("\n\n")[0]), notes


def _lenient_google() -> Any:
    """Return a parser that accepts lines without a colon and keeps the other notes."""
    from docstring_parser.common import DocstringMeta, ParseError
    from docstring_parser.google import DEFAULT_SECTIONS, GoogleParser, Section, SectionType

    class Lenient(GoogleParser):
        def _build_meta(self, text: str, title: str) -> DocstringMeta:
            try:
                return super()._build_meta(text, title)
            except ParseError:
                return DocstringMeta(args=[title], description=text)

    keywords = [
        Section(title, "param", SectionType.MULTIPLE)
        for title in ("Keyword Args", "Keyword Arguments", "Other Parameters")
    ]
    return Lenient([*DEFAULT_SECTIONS, *keywords])


def _one_line(text: str) -> str:
    return " ".join(text.split())
