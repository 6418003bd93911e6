"""Where a source's rows are: a file of one's own, or a data set on the Hugging Face hub."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from umi_lite.protocol.errors import UserError

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UTF16 = "not UTF-8 text: save it as UTF-8"
# How a file begins that holds no rows as it is, and what to do.
_NOT_ROWS = {
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    _PARQUET: "a Parquet file, which only sources of rows read",
    b"ARROW1": "an Arrow file: save it as Parquet or JSON lines",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "compressed by bzip2: unpack it first",
    b"\xfd7zXZ\x00": "compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first",
    b"version https://git-lfs": "a pointer of Git LFS, not the file: run git lfs pull",
    b"<!doctype html": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
}


@dataclass(frozen=True)
class HubData:
    """One split of a data set: `openai/gsm8k`, configuration `main`, split `train`.

    A folder of data files works as a name too: `datasets` opens both.
    """

    name: str
    config: str | None = None
    split: str = "train"

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}[{self.split}]"


Place = Path | str | HubData


def stem(place: Place) -> str:
    """A short name, for ids: the file's without its ending, or the data set's and split's."""
    if isinstance(place, HubData):
        return f"{Path(place.name).name}-{place.split}"
    return _plain_name(Path(place)).stem


def split_name(place: Place) -> str:
    """Which split of its data set a place is: for a file its name (`train.jsonl`)."""
    return place.split if isinstance(place, HubData) else _plain_name(Path(place)).stem


def suffix(path: Path) -> str:
    """Return what a file's name ends with, `.gz` not counted: `.jsonl` of `train.jsonl.gz`."""
    return _plain_name(path).suffix.lower()


def _plain_name(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def is_parquet(place: Place) -> bool:
    """True if the place is a Parquet file, whatever its name is."""
    if isinstance(place, HubData) or not Path(place).is_file():
        return False
    with opened_raw(Path(place), "data") as file:
        return file.read(len(_PARQUET)) == _PARQUET


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
