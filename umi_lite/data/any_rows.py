"""Rows of whatever people keep them in: JSON lines, a list, one object a file, Parquet, gzipped."""

from collections.abc import Collection, Iterator
from pathlib import Path

from umi_lite.data.rows import (
    MAX_RECORD,
    Place,
    Row,
    begins_with,
    jsonl_rows,
    make_row,
    opened,
    streamed_rows,
    suffix,
)
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.errors import UserError

_ENDINGS = {".json", ".jsonl", ".parquet"}


def any_rows(place: Place, what: str, marks: Collection[str]) -> Iterator[Row]:
    """Yield the rows of a hub data set, of a file, or of a folder's files in the names' order.

    A file holds JSON lines, a JSON list or, with the ending `.json`, one object; each may be
    gzipped. Parquet is read through `datasets`.

    Args:
        marks: fields by which a list's records are found again (`json_list.list_rows`).

    Raises:
        UserError: there is no such file, none in the folder, or it cannot be read.
    """
    if (streamed := streamed_rows(place)) is not None:
        yield from streamed
        return
    path = Path(str(place))
    files = sorted(file for file in path.iterdir() if _readable(file)) if path.is_dir() else [path]
    if not files:
        raise UserError(
            f"{path}: no .json or .jsonl file in this folder (nor .parquet); {what} is expected"
        )
    for file in files:
        whole = suffix(file) == ".json" and begins_with(file, b"{", what) and not _is_lines(file)
        yield from [_one_row(file, what)] if whole else jsonl_rows(file, what, marks)


def _readable(file: Path) -> bool:
    return suffix(file) in _ENDINGS and not file.name.startswith(".")


def _is_lines(file: Path) -> bool:
    """True if the first line is a whole JSON value: then each line is one."""
    with opened(file, "data") as begun:
        line = begun.readline(MAX_RECORD)
    try:
        parse(line.decode("utf-8"))
    except (BadJson, UnicodeDecodeError):
        return False
    return True


def _one_row(file: Path, what: str) -> Row:
    with opened(file, what) as whole:
        data = whole.read()
    try:
        return make_row(file, 1, parse(data.decode("utf-8")))
    except UnicodeDecodeError:
        return Row(f"{file}:1", 1, None, "not UTF-8 text")
    except BadJson as err:
        return Row(f"{file}:{err.line}", 1, None, str(err))
