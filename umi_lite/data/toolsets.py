"""Sets of live tools by name, or from a Python file of one's own."""

import inspect
import runpy
from collections.abc import Callable
from pathlib import Path

from umi_lite.protocol.errors import UserError
from umi_lite.runtime.tools import Toolbox


def _toolworld() -> Toolbox:
    from umi_lite.data.toolworld.desks import DESKS, WorldToolbox
    from umi_lite.data.toolworld.world import World

    return WorldToolbox(World("test", 0, frozenset()), DESKS[8])


def _python() -> Toolbox:
    from umi_lite.runtime.python_tool import python_tool

    return Toolbox([python_tool()])


TOOLSETS: dict[str, Callable[[], Toolbox]] = {
    "toolworld": _toolworld,
    "gsm8k": _python,
    "python": _python,
}


def toolset(name: str) -> Toolbox:
    """A set of TOOLSETS, or all public functions that a `.py` file defines.

    Raises:
        UserError: no such set or file, a file that fails, or one without functions.
    """
    if name in TOOLSETS:
        return TOOLSETS[name]()
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(TOOLSETS)
        raise UserError(f"no tools {name!r}: name one of {known}, or a .py file with functions")
    try:
        defined = runpy.run_path(str(path))
    except Exception as err:
        raise UserError(f"tools {path}: {type(err).__name__}: {err}") from err
    functions = [
        value
        for key, value in defined.items()
        if inspect.isfunction(value)
        and not key.startswith("_")
        and value.__code__.co_filename == str(path)
    ]
    if not functions:
        raise UserError(f"tools {path}: it defines no public function")
    return Toolbox(functions)
