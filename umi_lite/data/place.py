"""Where a source's rows are: a file of one's own, or a data set on the Hugging Face hub."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from umi_lite.protocol.errors import UserError

_NOT_UTF8 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
    return Path(place).stem


def split_name(place: Place) -> str:
    """Which split of its data set a place is: for a file its name (`train.jsonl`)."""
    return place.split if isinstance(place, HubData) else Path(place).stem


@contextmanager
def opened(path: Path, what: str) -> Iterator[BinaryIO]:
    """The file's bytes, behind a byte-order mark where it has one.

    Raises:
        UserError: it is missing, a folder, unreadable, or UTF-16.
    """
    try:
        with path.open("rb") as file:
            start = file.read(3)
            if start.startswith(_NOT_UTF8):
                raise UserError(
                    f"{path}: cannot be read (not UTF-8 text); {what} is expected there"
                )
            file.seek(len(codecs.BOM_UTF8) if start == codecs.BOM_UTF8 else 0)
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {what} is expected there") from None
    except OSError as err:
        raise UserError(
            f"{path}: cannot be read ({err.strerror}); {what} is expected there"
        ) from None
