"""Loads the public functions of your own Python file as tools."""

import importlib.util
import symtable
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.tools.tools import Toolbox, ToolFunction, tool

Note = Callable[[str], None]


def load_tools(path: Path, note: Note) -> Toolbox:
    """Return every public function that a file defines, as a tool of that name.

    Functions, methods of objects, cached and decorated functions, partials and objects with
    `__call__`; not what it imports, not classes, not names that begin with an underscore.

    Args:
        note: called with one line for each function that cannot be a tool and is left out.

    Raises:
        UserError: the file fails (with the line), or nothing in it can be a tool.
    """
    module, bound = _run(path)
    tools: list[ToolFunction] = []
    reasons: list[str] = []
    for name, value in _own_functions(module, bound):
        try:
            tools.append(value if isinstance(value, ToolFunction) else tool(value, name=name))
        except UserError as err:
            reasons.append(str(err))
    if not tools:
        why = reasons[0] if reasons else "it defines no public function"
        raise UserError(f"tools {path}: {why}")
    for reason in reasons:
        note(f"tools {path}: {reason}; left out (a helper's name starts with _)")
    return Toolbox(tools)


def _run(path: Path) -> tuple[types.ModuleType, set[str]]:
    """Run the file; return its module, and the names that it binds other than by an import.

    It can import its neighbours, also later, in a call.
    """
    folder = str(path.resolve().parent)
    # Not the file's own name, which may be that of a library.
    spec = importlib.util.spec_from_file_location(f"umi_tools_{path.stem}", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    sys.path.insert(0, folder)
    try:
        source = importlib.util.decode_source(path.read_bytes())
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
        names = symtable.symtable(source, str(path), "exec").get_symbols()
    except KeyboardInterrupt:
        raise
    except BaseException as err:  # sys.exit, too
        del sys.modules[module.__name__]
        raise UserError(f"tools {_place(err, path)}: {_fault(err)}") from err
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            # Last, so that no neighbour hides a library that is imported later.
            sys.path.append(folder)
    return module, {n.get_name() for n in names if n.is_assigned() and not n.is_imported()}


def _place(err: BaseException, path: Path) -> str:
    """Return `file:line` of the fault: the innermost line in the file or a neighbour of it."""
    places = [(f.filename, f.lineno) for f in traceback.extract_tb(err.__traceback__)]
    if isinstance(err, SyntaxError):
        places.append((err.filename or "", err.lineno))
    for file, line in reversed(places):
        if line and Path(file).resolve().parent == path.resolve().parent:
            return f"{path.parent / Path(file).name}:{line}"
    return str(path)


def _fault(err: BaseException) -> str:
    try:
        said = " ".join((err.msg if isinstance(err, SyntaxError) else str(err)).split())
    except Exception:
        said = ""
    fault = f"{type(err).__name__}: {said}" if said else type(err).__name__
    if isinstance(err, ModuleNotFoundError):
        return f"{fault}; install it, or put {err.name}.py next to the file"
    return fault


def _own_functions(module: types.ModuleType, bound: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield the public names that are the file's own, and what they are: what can be called."""
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, type):
            continue
        # `import *` binds names that are not in `bound`; a decorator may be defined elsewhere.
        own = name in bound or getattr(value, "__module__", None) == module.__name__
        # NewType, list[int] and the like can be called, too.
        is_type = type(value).__module__ in ("typing", "types")
        if own and not is_type and (callable(value) or isinstance(value, ToolFunction)):
            yield name, value
