"""A data file, opened and unpacked; and a stretch of it as text, moved along while it is read."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from umi_lite.data.strict_json import BadJson, end_of_value
from umi_lite.errors import UserError

# Longer than any record of the known sources by far; anything longer is damage.
MAX_RECORD = 64 * 2**20
_WINDOW = 2**18
_NOT_BLANK = re.compile(r"[^ \t\r\n]")


_GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
_UTF16 = "not UTF-8 text: save it as UTF-8"
# How files begin that cannot be read as rows, and what to do about it.
_NOT_ROWS = {
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    PARQUET: "a Parquet file, which only sources of rows read",
    b"ARROW1": "an Arrow file: save it as Parquet or JSON lines",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "compressed by bzip2: unpack it first",
    b"\xfd7zXZ\x00": "compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first",
    b"version https://git-lfs": "a pointer of Git LFS, not the file: run git lfs pull",
    b"<!doctype html": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
}


@contextmanager
def opened(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a file for its bytes, unpacked where it is gzipped, after a byte-order mark.

    Args:
        what: what should be in the file, for the messages.

    Raises:
        UserError: it is missing, a folder, unreadable, UTF-16, a gzip file that breaks off, or of
            another kind that holds no text (an archive, a web page, a pointer of Git LFS).
    """
    with opened_raw(path, what) as packed:
        file = packed
        if packed.read(len(_GZIP)) == _GZIP:
            packed.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=packed))
        try:
            file.seek(0)
            start = file.read(64)
            for mark, kind in _NOT_ROWS.items():
                if start.startswith(mark) or start.lower().startswith(mark):
                    raise UserError(f"{path}: cannot be read ({kind}); {what} is expected there")
            file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
            yield file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UserError(
                f"{path}: cannot be read (the gzip file is broken or cut off); download it again"
            ) from None


@contextmanager
def opened_raw(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a file for the bytes that are on the disk.

    Raises:
        UserError: it is missing, a folder or unreadable.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {what} is expected there") from None
    except gzip.BadGzipFile:
        raise
    except OSError as err:
        raise UserError(
            f"{path}: cannot be read ({err.strerror}); {what} is expected there"
        ) from None


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
