"""Rows, each with where it stands, and the rows of a JSON-lines file."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.data.place import HubData, Place, is_parquet, opened
from umi_lite.data.strict_json import BadJson, parse

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
    from umi_lite.data.hub import hub_rows, parquet_rows

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


def field(row: dict[str, Any], name: str, kind: type) -> Any:
    """A field of the type it must have.

    Raises:
        BadRow: it is missing or of another type.
    """
    if name not in row:
        raise BadRow(f"no field {name!r}")
    if not isinstance(row[name], kind):
        raise BadRow(f"{name!r} must be {kind.__name__}, not {type(row[name]).__name__}")
    return row[name]
