"""Where a source's rows are: a file of one's own, or a data set on the Hugging Face hub."""

import codecs
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from umi_lite.data.strict_json import BadJson, parse
from umi_lite.errors import UserError
from umi_lite.hub import check_data
from umi_lite.protocol.trajectory import Trajectory

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


# Longer than any record of the known sources by far; what is longer is no record.
MAX_RECORD = 64 * 2**20


class BadRow(ValueError):
    """A row that is not what the source expects. The message says what is missing."""


@dataclass(frozen=True)
class Row:
    """One row: `where` is "file:line" for JSONL, "file:record" (from 1) for a JSON list.

    `value` is None where `fault` says why the line is no JSON object.
    """

    where: str
    number: int
    value: dict[str, Any] | None
    fault: str | None = None


def make_row(place: Place, number: int, value: Any) -> Row:
    """A JSON value as a row; anything but an object is a fault."""
    where = f"{place}:{number}"
    if isinstance(value, dict):
        return Row(where, number, value)
    return Row(where, number, None, f"a JSON object is expected, not {type(value).__name__}")


def streamed_rows(place: Place) -> Iterator[Row] | None:
    """Return the rows of a hub data set or a Parquet file; None for a file of text."""

    if isinstance(place, HubData):
        return hub_rows(place)
    return parquet_rows(Path(place)) if is_parquet(place) else None


def jsonl_rows(place: Place, what: str, marks: Collection[str] = ()) -> Iterator[Row]:
    """The rows of a JSON-lines file, blank lines left out, `number` counted from 1.

    Read line by line: never more than one line is held. A file that is one JSON list is read as
    such, and a Parquet file or a hub data set through `datasets`.

    Args:
        marks: fields by which a list's records are found again (`json_list.list_rows`).

    Raises:
        UserError: the file or data set cannot be read.
    """
    if (streamed := streamed_rows(place)) is not None:
        yield from streamed
        return
    path = Path(str(place))
    if begins_with(path, b"[", what):
        from umi_lite.data.json_list import list_rows

        yield from list_rows(path, what, marks)
        return
    # In bytes: text mode would break lines at a lone "\r" too.
    with opened(path, what) as file:
        number = 0
        while line := file.readline(MAX_RECORD):
            number += 1
            if len(line) == MAX_RECORD and not line.endswith(b"\n"):
                while (rest := file.readline(MAX_RECORD)) and not rest.endswith(b"\n"):
                    pass
                yield Row(f"{path}:{number}", number, None, "the line is longer than 64 MiB")
            elif line.strip():
                yield _line_row(path, number, line)


def begins_with(path: Path, sign: bytes, what: str) -> bool:
    """True if the file's first character that is not blank is `sign`."""
    with opened(path, what) as file:
        while start := file.read(4096):
            if text := start.lstrip():
                return text.startswith(sign)
    return False


def _line_row(path: Path, number: int, line: bytes) -> Row:
    try:
        return make_row(path, number, parse(line.decode("utf-8")))
    except UnicodeDecodeError:
        fault = "not UTF-8 text"
    except BadJson as err:
        fault = str(err)
    return Row(f"{path}:{number}", number, None, fault)


def checked(row: Row) -> dict[str, Any]:
    """The row's object.

    Raises:
        BadRow: there is none.
    """
    if row.value is None:
        raise BadRow(row.fault)
    return row.value


def typed_field(row: dict[str, Any], name: str, kind: type) -> Any:
    """A field of the type it must have.

    Raises:
        BadRow: it is missing or of another type.
    """
    if name not in row:
        raise BadRow(f"no field {name!r}")
    if not isinstance(row[name], kind):
        raise BadRow(f"{name!r} must be {kind.__name__}, not {type(row[name]).__name__}")
    return row[name]


def hub_rows(place: HubData) -> Iterator[Row]:
    """The rows of one split, streamed: nothing is downloaded as a whole. `number` from 1.

    Raises:
        UserError: `datasets` is not installed, there is no such data set, configuration or
            split, or it cannot be reached.
    """
    label = f"hub {place}"
    datasets = _datasets(label)
    check_data(place.name)
    arguments = {"path": place.name, "name": place.config, "split": place.split}
    hint = "; name a local file (path: FILE) or a folder of data files (hub: FOLDER)"
    return _streamed(datasets, place, label, arguments, hint)


def parquet_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file, `number` counted from 1.

    Raises:
        UserError: `datasets` is not installed, or the file cannot be read.
    """
    label = f"{path} (Parquet)"
    arguments = {"path": "parquet", "data_files": str(path), "split": "train"}
    return _streamed(_datasets(label), path, label, arguments)


def _datasets(label: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(f"{label}: needs the package datasets: pip install datasets") from None
    return datasets


def _streamed(
    datasets: Any, place: Place, label: str, arguments: dict[str, Any], hint: str = ""
) -> Iterator[Row]:
    try:
        rows = datasets.load_dataset(**arguments, streaming=True)
        for number, value in enumerate(rows, start=1):
            yield make_row(place, number, value)
    except Exception as err:
        # `datasets` lets through what its many file systems raise.
        reason = " ".join(str(err).split())[:300] or type(err).__name__
        raise UserError(f"{label}: cannot be read ({reason}){hint}") from err


class Dropped(NamedTuple):
    """A row that was left out: `where` is "file:line" or "file:record", counted from 1.

    Of a turn that was amended, `where` is "trajectory's id, step 3".
    """

    where: str
    reason: str


@dataclass
class Loaded:
    """What was read.

    Attributes:
        dropped: rows that were left out.
        amended: turns of the trajectories that are not trained as their source has them.
    """

    trajectories: list[Trajectory]
    dropped: list[Dropped] = field(default_factory=list)
    amended: list[Dropped] = field(default_factory=list)

    def drop_table(self) -> list[tuple[str, int, str]]:
        """Reason, how many rows, and where the first one is; the most frequent first."""
        return _counted(self.dropped)

    def amended_table(self) -> list[tuple[str, int, str]]:
        """What became of turns, how many, and where the first one is."""
        return _counted(self.amended)


def _counted(dropped: Iterable[Dropped]) -> list[tuple[str, int, str]]:
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for row in dropped:
        first.setdefault(row.reason, row.where)
        counts[row.reason] += 1
    return [(reason, count, first[reason]) for reason, count in counts.most_common()]


def outcomes(
    rows: Iterable[Row], parse: Callable[[Row], Trajectory]
) -> Iterator[Trajectory | Dropped]:
    """Each row's trajectory, or what `parse` says of it in a BadRow."""
    for row in rows:
        try:
            yield parse(row)
        except BadRow as err:
            yield Dropped(row.where, str(err))


def collect(made: Iterable[Trajectory | Dropped], n: int | None) -> Loaded:
    """The first `n` trajectories (all: None), and what was dropped before the last of them."""
    loaded = Loaded([])
    for outcome in made:
        if isinstance(outcome, Dropped):
            loaded.dropped.append(outcome)
        else:
            loaded.trajectories.append(outcome)
        if len(loaded.trajectories) == n:
            break
    return loaded
