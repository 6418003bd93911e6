"""The world of an everyday task: its date, its to-do list and its files; and live tools in it."""

import tempfile
import weakref
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from umi_lite.tools.everyday import everyday_tools
from umi_lite.tools.todo import Todo
from umi_lite.tools.tools import Toolbox, ToolFunction

FILE_TOOLS = ("list_files", "read_file", "find_text")
TOOLS = (
    "calculator", "convert", "add_days", "days_between", "weekday", "today", "word_count",
    "reverse", "upper", "todo_add", "todo_done", "todo_list", "python",
)  # fmt: skip


@dataclass
class World:
    """What a task's tools find.

    Attributes:
        today: the date, as `2025-01-31`.
        todo: the open items of the to-do list.
        files: texts by the file's path.
    """

    today: str = "2025-06-18"
    todo: list[str] = field(default_factory=lambda: ["buy milk", "call the dentist"])
    files: dict[str, str] = field(default_factory=lambda: {"notes.txt": "meet Anna at noon\n"})

    def facts(self) -> dict[str, Any]:
        """Return the world as JSON, to make the same one with `World(**facts)`."""
        return asdict(self)


class EverydayToolbox(Toolbox):
    """Live everyday tools in one world, in a folder of their own.

    Args:
        names: which tools, in the order in which the roles see them.
    """

    def __init__(self, world: World, names: Collection[str]):
        self._entries = [[item, "open"] for item in world.todo]
        folder = None
        if set(names) & set(FILE_TOOLS):
            kept = tempfile.TemporaryDirectory(prefix="umi-everyday-")
            weakref.finalize(self, kept.cleanup)
            folder = Path(kept.name)
            for name, text in world.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")
        made = {made.spec.name: made for made in everyday_tools(Todo(self._entries), folder)}
        made["today"] = _fixed(made["today"], world.today)
        super().__init__(made[name] for name in names)

    def state(self) -> dict[str, Any] | None:
        """Return the to-do list after the calls so far, None where no tool here changes it."""
        names = {spec.name for spec in self.specs}
        if not names & {"todo_add", "todo_done"}:
            return None
        return {"todo": sorted(map(list, self._entries))}


def _fixed(made: ToolFunction, text: str) -> ToolFunction:
    return replace(made, function=lambda: text)
