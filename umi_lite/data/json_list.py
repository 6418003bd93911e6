"""The records of a file that is one JSON list, however large, a broken one without the rest.

The file is read in windows and each record decoded by Python's own parser. Where one does not
decode, the next record is found again: at the end of the broken one if its brackets balance, or
else at the next object that has a record's own fields.
"""

import codecs
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from umi_lite.data.rows import MAX_RECORD, Place, Row, make_row, opened, streamed_rows
from umi_lite.data.strict_json import BadJson, CutJson, decode
from umi_lite.errors import UserError

_WINDOW = 2**18
_NOT_BLANK = re.compile(r"[^ \t\r\n]")
# What moves the depth: a whole string (moves nothing), or a bracket. A string may be cut.
_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_FIRST_KEY = re.compile(r'\{\s*"([^"]*)"')
_NOT_NESTED = re.compile(r"[,\]\[{]")


def list_rows(place: Place, what: str, marks: Collection[str]) -> Iterator[Row]:
    """The records of a JSON list, `number` counted from 1.

    A broken record is one row with a `fault`, and says on which line it begins. A list that
    breaks off (a truncated download) yields its whole records, then one such row.

    Args:
        marks: names of fields. Every record has one of them, and no object inside a record.

    Raises:
        UserError: the file or data set cannot be read, or the file is no JSON list.
    """
    if (streamed := streamed_rows(place)) is not None:
        yield from streamed
        return
    path = Path(str(place))
    with opened(path, what) as file:
        window = _Window(file)
        if window.peek() != "[":
            raise UserError(f"{path}: {what} is expected, a JSON list of records")
        window.at += 1
        yield from _records(window, path, marks)


def _records(window: "_Window", path: Path, marks: Collection[str]) -> Iterator[Row]:
    number = 0
    while (here := window.peek()) != "]" or window.goes_on(window.at + 1):
        number += 1
        if not here:
            fault = f"not JSON from line {window.line()} on: the list breaks off"
            yield Row(f"{path}:{number}", number, None, fault)
            return
        try:
            value = _next_value(window)
        except BadJson as err:
            line, found = window.line(), _find_next(window, marks)
            fault = f"not JSON from line {line} on: {str(err).removeprefix('not JSON: ')}"
            rest = "" if found else "; the rest was not read"
            yield Row(f"{path}:{number}", number, None, fault + rest)
            if not found:
                return
        else:
            yield make_row(path, number, value)
        # A comma that is missing harms no record.
        if window.peek() == ",":
            window.at += 1


def _next_value(window: "_Window") -> Any:
    while True:
        try:
            value, window.at = decode(window.text, window.at, more=window.more)
            return value
        except CutJson:
            if len(window.text) - window.at > MAX_RECORD:
                raise BadJson("the record is longer than 64 MiB") from None
            window.fill()


def _find_next(window: "_Window", marks: Collection[str]) -> bool:
    """Go behind the broken record that begins here; False where no further one is found."""
    first = _FIRST_KEY.match(window.text, window.at)
    depth, seen = 0, window.at  # of the bracket count
    counting = True
    tried = window.at + 1  # no object that begins before it is a record
    while True:
        end, now, until = _balance(window.text, depth, seen) if counting else (None, 0, 0)
        limit = len(window.text) if end is None else end
        tried, found = _record_in(window, tried, limit, marks)
        if found:
            window.at = tried
            return True
        if end is None:
            depth, seen = now, until
        elif tried >= limit:
            between = _between(window, end, first and first[1], marks)
            if between:
                window.at = end
                return True
            # The brackets do not tell where this record ends: only a record's own fields do.
            counting = between is None
            if not counting:
                continue
        if not window.more:
            return False
        if not counting or len(window.text) - window.at > MAX_RECORD:
            window.at, counting = tried, False
        dropped = window.fill()
        seen, tried = seen - dropped, tried - dropped


def _between(
    window: "_Window", end: int, first_key: str | None, marks: Collection[str]
) -> bool | None:
    """Whether `end` is between two records, or the list's; None where more text is needed."""
    here = _NOT_BLANK.search(window.text, end)
    if here and here[0] == "]":
        if _NOT_BLANK.search(window.text, here.end()):
            return False
        return None if window.more else True
    after = _NOT_BLANK.search(window.text, here.end()) if here and here[0] == "," else here
    if here is None or after is None:
        return None if window.more else True
    if after[0] != "{":
        return here[0] == ","
    key = _FIRST_KEY.match(window.text, after.start())
    if first_key is not None and key is not None and key[1] == first_key:
        return True
    try:
        value, _ = decode(window.text, after.start(), more=window.more)
    except CutJson:
        return None
    except BadJson:
        return False
    return any(mark in value for mark in marks)


def _balance(text: str, depth: int, start: int) -> tuple[int | None, int, int]:
    """Count brackets from `start`: where the depth came to 0 if it did, else how far it is.

    A value that is no object or list ends at its comma.
    """
    if depth == 0 and text[start] not in "[{":
        stop = _NOT_NESTED.search(text, start)
        return (stop and stop.start()), 0, start
    last = start
    for mark in _MARKS.finditer(text, start):
        if mark.end() == len(text) and mark[0][0] == '"':
            break
        last = mark.end()
        depth += (mark[0] in "{[") - (mark[0] in "}]")
        if depth <= 0:
            return last, 0, last
    return None, depth, last


def _record_in(
    window: "_Window", start: int, limit: int, marks: Collection[str]
) -> tuple[int, bool]:
    """The first whole object with a mark in [start, limit), else where to look on."""
    at = window.text.find("{", start, limit)
    while at >= 0:
        try:
            value, _ = decode(window.text, at, more=window.more)
            if any(mark in value for mark in marks):
                return at, True
        except CutJson:
            return at, False
        except BadJson:
            pass
        at = window.text.find("{", at + 1, limit)
    return max(start, limit), False


class _Window:
    """A stretch of the file as text: what lies before `at` is done with."""

    def __init__(self, file: BinaryIO) -> None:
        self.text, self.at, self.more = "", 0, True
        self._file, self._lines = file, 1
        # A byte that is not UTF-8 is kept as a mark and found again in its record.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def fill(self) -> int:
        """Forget what is done with and read on. How many characters were forgotten."""
        dropped = self.at
        self._lines += self.text.count("\n", 0, dropped)
        # As much again as there is, so that a long record is not decoded too often.
        data = self._file.read(max(_WINDOW, len(self.text) - dropped))
        self.more = bool(data)
        self.text = self.text[dropped:] + self._decoder.decode(data, final=not data)
        self.at = 0
        return dropped

    def peek(self) -> str:
        """The next character that is not blank, which `at` then is; "" at the end."""
        while True:
            found = _NOT_BLANK.search(self.text, self.at)
            self.at = found.start() if found else len(self.text)
            if found or not self.more:
                return found[0] if found else ""
            self.fill()

    def goes_on(self, place: int) -> bool:
        """Whether the file has anything but blanks from `place` on."""
        while (found := _NOT_BLANK.search(self.text, place)) is None and self.more:
            place = len(self.text) - self.fill()
        return found is not None

    def line(self) -> int:
        """The line that `at` is on, from 1."""
        return self._lines + self.text.count("\n", 0, self.at)
