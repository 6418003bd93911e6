"""What is kept out of training: a benchmark's test queries, by id or by their words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.data.jsonl import BadRow
from umi_lite.data.place import opened
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.protocol.errors import UserError

_WHAT = "test query ids or instructions (a JSON list, or one a line)"
_FIELDS = ("query_id", "id", "instruction", "query")


@dataclass(frozen=True)
class Excluded:
    """Ids and instructions, compared without case and with single blanks."""

    words: frozenset[str]

    def check(self, query_id: str | None, instruction: str) -> None:
        """Pass what is not excluded.

        Raises:
            BadRow: it is.
        """
        if query_id is not None and _plain(query_id) in self.words:
            raise BadRow("its query id is excluded")
        if _plain(instruction) in self.words:
            raise BadRow("its instruction is excluded")


def read_excluded(path: Path | str | None) -> Excluded:
    """Ids and instructions from a file, or from all files of a folder.

    ToolBench's `test_query_ids/*.json` (a list of ids, or an object with ids as keys) and its
    `test_instruction/*.json` (a list of objects) are read, and text with one a line.

    Raises:
        UserError: the file is missing or holds none.
    """
    if path is None:
        return Excluded(frozenset())
    path = Path(path)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    words = frozenset(_plain(word) for file in files for word in _words(file) if word.strip())
    if not words:
        raise UserError(f"{path}: {_WHAT} are expected, there are none")
    return Excluded(words)


def _words(file: Path) -> Iterator[str]:
    with opened(file, _WHAT) as opened_file:
        data = opened_file.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # Replaced letters would match nothing, and what is to be kept out would be trained on.
        raise UserError(f"{file}: not UTF-8 text; {_WHAT} are expected, saved as UTF-8") from None
    if file.suffix != ".json":
        yield from text.splitlines()
        return
    try:
        value = parse(text)
    except BadJson as err:
        raise UserError(f"{file}: {_WHAT} are expected ({err})") from None
    if isinstance(value, dict | list):
        for item in value:
            yield from _of(item, file)
    else:
        yield from _of(value, file)


def _of(item: Any, file: Path) -> Iterator[str]:
    if isinstance(item, str | int):
        yield str(item)
        return
    known = [str(item[name]) for name in _FIELDS if name in item] if isinstance(item, dict) else []
    if not known:
        raise UserError(f"{file}: {_WHAT} are expected, not {json.dumps(item)[:60]}")
    yield from known


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
