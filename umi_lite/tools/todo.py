"""A to-do list as tools: in memory, or kept in a file."""

import fcntl
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from umi_lite.files import write_text
from umi_lite.tools.tools import ToolError, unknown


class Todo:
    """A to-do list.

    Args:
        entries: pairs of an item and `open` or `done`; tools change this list.
    """

    def __init__(self, entries: list[list[str]]):
        self._entries = entries

    def todo_add(self, item: str) -> str:
        """Add to the to-do list."""
        with self._changing() as entries:
            if any(known == item for known, _ in entries):
                raise ToolError(f"{item} is on the list already")
            entries.append([item, "open"])
        return f"added {item}"

    def todo_done(self, item: str) -> str:
        """Mark a to-do as done."""
        with self._changing() as entries:
            for entry in entries:
                if entry[0] == item:
                    entry[1] = "done"
                    return f"done {item}"
            raise unknown("item", item, (known for known, _ in entries))

    def todo_list(self) -> str:
        """The open to-dos."""
        with self._changing() as entries:
            return ", ".join(item for item, state in entries if state == "open") or "nothing"

    @contextmanager
    def _changing(self) -> Generator[list[list[str]]]:
        yield self._entries


class StoredTodo(Todo):
    """A to-do list in a JSON file, which programs that run at the same time share."""

    def __init__(self, path: Path):
        super().__init__([])
        self._path = path

    @contextmanager
    def _changing(self) -> Generator[list[list[str]]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            try:
                entries = json.loads(self._path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                entries = []
            except ValueError:
                raise ToolError(f"{self._path} is not a list of to-dos: move it away") from None
            before = json.dumps(entries)
            yield entries
            if json.dumps(entries) != before:
                write_text(self._path, json.dumps(entries, ensure_ascii=False, indent=1) + "\n")
