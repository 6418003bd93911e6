"""The everyday tools: arithmetic, units, dates, texts, a to-do list, a folder's files, Python."""

from collections.abc import Callable
from pathlib import Path

from umi_lite.files import data_folder
from umi_lite.tools import compute
from umi_lite.tools.folder import Folder
from umi_lite.tools.python import python_tool
from umi_lite.tools.todo import StoredTodo, Todo
from umi_lite.tools.tools import Toolbox, ToolFunction, tool

_UNIT_NAMES = {
    "kilometre": "km", "kilometer": "km", "metre": "m", "meter": "m", "centimetre": "cm",
    "centimeter": "cm", "mile": "miles", "mi": "miles", "foot": "feet", "ft": "feet",
    "inch": "inches", "in": "inches", "kilogram": "kg", "kilo": "kg", "gram": "g",
    "pound": "pounds", "lb": "pounds", "litre": "litres", "liter": "litres", "l": "litres",
    "gallon": "gallons", "cup": "cups", "day": "days", "week": "weeks", "hour": "hours",
    "h": "hours", "minute": "minutes", "min": "minutes", "second": "seconds", "s": "seconds",
}  # fmt: skip


def convert(value: float, unit: str, to: str) -> str:
    """Convert a value to another unit."""
    return compute.convert(value, _unit(unit), _unit(to))


def _unit(name: str) -> str:
    """Return a unit's name as `compute.convert` knows it, from how people write it."""
    said = name.strip().lower()
    return _UNIT_NAMES.get(said) or _UNIT_NAMES.get(said.removesuffix("s")) or said


def everyday(folder: Path | None = None) -> Toolbox:
    """Return the everyday tools. The to-do list is `todo.json` in the user's data folder.

    Args:
        folder: a folder whose files may be listed, read and searched; None for no such tools.

    Raises:
        UserError: `folder` is not a folder, or this machine cannot run the Python sandbox.
    """
    return Toolbox(everyday_tools(StoredTodo(data_folder() / "todo.json"), folder))


def everyday_tools(todo: Todo, folder: Path | None = None) -> list[ToolFunction]:
    """Return the everyday tools over a to-do list; `folder` and errors as in `everyday`."""
    tools = [
        *_pure(compute.calculator, convert, compute.add_days, compute.days_between),
        *_pure(compute.weekday, compute.today, compute.word_count, compute.reverse),
        *_pure(compute.upper),
        *map(tool, (todo.todo_add, todo.todo_done)),
        *_pure(todo.todo_list),
    ]
    if folder is not None:
        files = Folder(folder)
        tools += _pure(files.list_files, files.read_file, files.find_text)
    return [*tools, python_tool()]


def _pure(*functions: Callable[..., str]) -> list[ToolFunction]:
    return [tool(function, pure=True) for function in functions]
