"""Reads rows: JSON lines, a JSON list, Parquet, a hub data set, gzipped files, folders of them."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from umi_lite.data.rows import HubData, Place, Row, make_row, suffix
from umi_lite.data.strict_json import (
    BadJson,
    CutJson,
    RefusedJson,
    decode,
    parse,
)
from umi_lite.data.window import MAX_RECORD, PARQUET, Window, opened, opened_raw
from umi_lite.errors import UserError
from umi_lite.hub import check_data

_ENDINGS = {".json", ".jsonl", ".parquet"}


def any_rows(place: Place, what: str) -> Iterator[Row]:
    """Yield the rows of a hub data set, of a file, or of a folder's files in the names' order.

    A file holds JSON lines, a JSON list or, with the ending `.json`, one object; each may be
    gzipped. Parquet is read through `datasets`.

    Raises:
        UserError: the file is missing or cannot be read, or the folder has none.
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
        yield from [_one_row(file, what)] if whole else jsonl_rows(file, what)


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


def streamed_rows(place: Place) -> Iterator[Row] | None:
    """Return the rows of a hub data set or a Parquet file; None for a file of text."""
    if isinstance(place, HubData):
        return hub_rows(place)
    return parquet_rows(Path(place)) if is_parquet(place) else None


def jsonl_rows(place: Place, what: str) -> Iterator[Row]:
    """Yield the rows of a JSON-lines file, blank lines left out, `number` counted from 1.

    Read line by line: never more than one line is held. A file that is one JSON list is read as
    such, and a Parquet file or a hub data set through `datasets`.

    Raises:
        UserError: the file or data set cannot be read.
    """
    if (streamed := streamed_rows(place)) is not None:
        yield from streamed
        return
    path = Path(str(place))
    if begins_with(path, b"[", what):
        yield from list_rows(path, what)
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


def list_rows(place: Place, what: str) -> Iterator[Row]:
    """Yield the records of a JSON list, `number` counted from 1.

    The file is read in windows, each record decoded by Python's own parser. A record with a value
    that is refused (NaN, a repeated key) is one faulty row. The first record that is not JSON, or
    a list that breaks off (a truncated download), is the last row: its
    `fault` says on which line it begins and how many records were read before it.

    Raises:
        UserError: the file or data set cannot be read, or the file is not a JSON list.
    """
    if (streamed := streamed_rows(place)) is not None:
        yield from streamed
        return
    path = Path(str(place))
    with opened(path, what) as file:
        window = Window(file)
        if window.peek() != "[":
            raise UserError(f"{path}: {what} is expected, a JSON list of records")
        window.at += 1
        for number in count(1):
            try:
                if window.at_list_end():
                    return
                value = _next_value(window)
            except BadJson as err:
                if not (isinstance(err, RefusedJson) and window.skip_value()):
                    yield Row(f"{path}:{number}", number, None, _list_fault(window, number, err))
                    return
                yield Row(f"{path}:{number}", number, None, str(err))
            else:
                yield make_row(path, number, value)


def _list_fault(window: "Window", number: int, err: BadJson) -> str:
    reason = str(err).removeprefix("not JSON: ")
    before = "nothing before it was" if number == 1 else f"{number - 1} before it were"
    return f"not JSON from line {window.line()} on: {reason} ({before} read, nothing after it)"


def _next_value(window: "Window") -> Any:
    while True:
        try:
            value, window.at = decode(window.text, window.at, more=window.more)
            break
        except CutJson:
            if len(window.text) - window.at > MAX_RECORD:
                raise BadJson("the record is longer than 64 MiB") from None
            window.fill()
    # A missing comma between two objects harms neither.
    if (after := window.peek()) == ",":
        window.at += 1
    elif after not in {"", "]", "{"}:
        raise BadJson("not JSON: Expecting ',' delimiter")
    return value


def is_parquet(place: Place) -> bool:
    """True if the place is a Parquet file, whatever its name is."""
    if isinstance(place, HubData) or not Path(place).is_file():
        return False
    with opened_raw(Path(place), "data") as file:
        return file.read(len(PARQUET)) == PARQUET


def hub_rows(place: HubData) -> Iterator[Row]:
    """Yield the rows of one split, streamed: nothing is downloaded as a whole. `number` from 1.

    Raises:
        UserError: `datasets` is not installed, the data set, configuration or split does not
            exist, or it cannot be reached.
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
