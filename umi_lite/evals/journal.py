"""An append-only file of JSON objects, from which a killed run resumes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from umi_lite.errors import UserError


class Journal:
    """JSON objects, one per line, in the order in which they were appended.

    A last line that a kill cut short is removed when the journal is opened.

    Raises:
        UserError: the file cannot be read or written, or a line of it is not a JSON object.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, Any]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            held = self._file.read()
            whole = held.rfind(b"\n") + 1
            self._file.truncate(whole)
            self._file.seek(0, 2)
        except OSError as err:
            raise self._refused(err) from None
        try:
            self.rows.extend(self._parsed(held[:whole]))
        except BaseException:
            self._file.close()
            raise

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row; it is in the file when this returns.

        Raises:
            UserError: it cannot be written (a full disk).
        """
        try:
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        except OSError as err:
            raise self._refused(err) from None
        self.rows.append(dict(row))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parsed(self, held: bytes) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(held.splitlines(), start=1):
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise UserError(
                    f"{self.path}:{number}: not a JSON object; remove the file or repair it"
                )
            yield row

    def _refused(self, err: OSError) -> UserError:
        return UserError(f"{self.path}: cannot be written ({err.strerror or err})")
