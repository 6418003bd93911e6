"""A file that a long run appends to, so that a second call goes on where a first was killed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from umi_lite.errors import UserError


class Journal:
    """JSON objects, a line each, in the order they were appended.

    A last line that a kill cut in half is taken off when the journal is opened.

    Raises:
        UserError: the file cannot be read or written, or a line of it is no JSON object.
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
        """Write one more row; it is in the file when this returns.

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
                    f"{self.path}:{number}: no JSON object; remove the file or repair it"
                )
            yield row

    def _refused(self, err: OSError) -> UserError:
        return UserError(f"{self.path}: cannot be written ({err.strerror or err})")
