"""Sets of live tools by name, or from a Python file of one's own."""

from collections.abc import Callable
from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.tools.tools import Toolbox


def _toolworld() -> Toolbox:
    from umi_lite.data.toolworld import toolbox
    from umi_lite.data.toolworld.world import World

    return toolbox.WorldToolbox(World("test", 0, frozenset()), toolbox.TOOLSETS[8])


def _python() -> Toolbox:
    from umi_lite.tools.python import python_tool

    return Toolbox([python_tool()])


TOOLSETS: dict[str, Callable[[], Toolbox]] = {
    "toolworld": _toolworld,
    "gsm8k": _python,
    "python": _python,
}


def toolset(name: str, note: Callable[[str], None]) -> Toolbox:
    """Return a set of TOOLSETS, or the tools that a `.py` file defines (`tools_file`).

    Args:
        note: called with one line for each function of the file that cannot be a tool.

    Raises:
        UserError: no such set or file, a file that fails, or one without tools.
    """
    if name in TOOLSETS:
        return TOOLSETS[name]()
    path = Path(name).expanduser()
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(TOOLSETS)
        raise UserError(f"no tools {name!r}: name one of {known}, or a .py file with functions")
    from umi_lite.data.tools_file import load_tools

    return load_tools(path, note)
