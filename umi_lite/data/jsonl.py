"""JSON rows from a file, each with where it stands, a bad one without losing the rest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.protocol.errors import UserError


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


def read_text(path: Path, what: str) -> str:
    """A file's text.

    Raises:
        UserError: it is missing, a folder, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {what} is expected there") from None
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "not UTF-8 text"
        raise UserError(f"{path}: cannot be read ({reason}); {what} is expected there") from None


def _row(path: Path, number: int, value: Any) -> Row:
    where = f"{path}:{number}"
    if isinstance(value, dict):
        return Row(where, number, value)
    return Row(where, number, None, f"a JSON object is expected, not {type(value).__name__}")


def jsonl_rows(path: Path, what: str) -> Iterator[Row]:
    """The rows of a JSON-lines file, blank lines left out, `number` counted from 1.

    Raises:
        UserError: the file cannot be read.
    """
    # Not splitlines(): JSON may hold U+2028 and its like unescaped.
    for number, line in enumerate(read_text(path, what).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as err:
            yield Row(f"{path}:{number}", number, None, f"not JSON: {err.msg} (column {err.colno})")
        else:
            yield _row(path, number, value)


def list_rows(path: Path, what: str) -> Iterator[Row]:
    """The records of a file that is one JSON list, `number` counted from 1.

    A list that breaks off (a truncated download) yields its whole records, then one row whose
    `fault` says on which line it broke.

    Raises:
        UserError: the file cannot be read or does not hold a JSON list.
    """
    text = read_text(path, what)
    position = len(text) - len(text.lstrip())
    if not text.startswith("[", position):
        raise UserError(f"{path}: {what} is expected, a JSON list of records")
    decoder, number, position = json.JSONDecoder(), 0, position + 1
    while True:
        position = _skip(text, position, " \t\r\n")
        if text.startswith("]", position):
            return
        number += 1
        try:
            value, position = decoder.raw_decode(text, position)
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] not in {",", "]"}:
                raise json.JSONDecodeError("the list breaks off", text, position)
        except json.JSONDecodeError as err:
            fault = f"not JSON from line {err.lineno} on: {err.msg}; the rest was not read"
            yield Row(f"{path}:{number}", number, None, fault)
            return
        yield _row(path, number, value)
        position += text.startswith(",", position)


def _skip(text: str, position: int, blanks: str) -> int:
    while position < len(text) and text[position] in blanks:
        position += 1
    return position


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
