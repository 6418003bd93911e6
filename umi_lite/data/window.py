"""A stretch of a large JSON file as text, moved along while its values are read."""

import codecs
import re
from typing import BinaryIO

from umi_lite.data.strict_json import BadJson, end_of_value

# Longer than any record of the known sources by far; anything longer is damage.
MAX_RECORD = 64 * 2**20
_WINDOW = 2**18
_NOT_BLANK = re.compile(r"[^ \t\r\n]")


class Window:
    """A stretch of the file as text, read up to `at`."""

    def __init__(self, file: BinaryIO) -> None:
        self.text, self.at, self.more = "", 0, True
        self._file, self._lines = file, 1
        # A byte that is not UTF-8 is kept as a mark and found again in its record.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def fill(self) -> None:
        """Drop what was read and read on."""
        self._lines += self.text.count("\n", 0, self.at)
        # As much again as there is, so that a long record is not decoded too often.
        data = self._file.read(max(_WINDOW, len(self.text) - self.at))
        self.more = bool(data)
        self.text = self.text[self.at :] + self._decoder.decode(data, final=not data)
        self.at = 0

    def peek(self) -> str:
        """Return the next character that is not blank and move `at` there; "" at the end."""
        while True:
            found = _NOT_BLANK.search(self.text, self.at)
            self.at = found.start() if found else len(self.text)
            if found or not self.more:
                return found[0] if found else ""
            self.fill()

    def skip_value(self) -> bool:
        """Move `at` after the value there and its comma. False if it is not JSON by its form."""
        while (end := end_of_value(self.text, self.at)) is None or end == len(self.text):
            if not self.more or len(self.text) - self.at > MAX_RECORD:
                return False
            self.fill()
        self.at = end
        if self.peek() == ",":
            self.at += 1
        return True

    def at_list_end(self) -> bool:
        """True at the list's bracket.

        Raises:
            BadJson: the file ends without it, or has more text after it.
        """
        here = self.peek()
        if not here:
            raise BadJson("not JSON: the list breaks off")
        if here != "]":
            return False
        self.at += 1
        if self.peek():
            raise BadJson("not JSON: more text after the end of the list")
        return True

    def line(self) -> int:
        """Return the number of the line that `at` is on, from 1."""
        return self._lines + self.text.count("\n", 0, self.at)
