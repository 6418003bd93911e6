"""Sets of live tools by name: `everyday`, `python`, a source's, or those of a Python file."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from umi_lite.data import SOURCES
from umi_lite.data.load import find_source, live_sources
from umi_lite.errors import UserError
from umi_lite.tools.mcp.servers import McpServers
from umi_lite.tools.python import with_python
from umi_lite.tools.tools import Toolbox

EVERYDAY = "everyday"


def toolset(name: str, note: Callable[[str], None]) -> Toolbox:
    """Return a set of live tools.

    Args:
        name: `everyday` (`tools.everyday`), `everyday=FOLDER` with tools for the files of a folder,
            `python`, a source with tools, or a `.py` file that defines some (`tools_file`).
        note: called with one line for each function of the file that cannot be a tool.

    Raises:
        UserError: no such set, file or folder, a file that fails, or one without tools.
    """
    kind, named, folder = name.partition("=")
    if kind == EVERYDAY:
        from umi_lite.tools.everyday import everyday

        return everyday(Path(folder).expanduser() if named else None)
    if name == "python":
        return with_python(None)
    if name in SOURCES and (tools := find_source(name).tools) is not None:
        return tools(None)
    path = Path(name).expanduser()
    if path.suffix != ".py" or not path.is_file():
        sets = dict.fromkeys([EVERYDAY, f"{EVERYDAY}=FOLDER", "python", *live_sources()])
        known = ", ".join(sets)
        raise UserError(f"no tools {name!r}: name one of {known}, or a .py file with functions")
    from umi_lite.data.tools_file import load_tools

    return load_tools(path, note)


@contextmanager
def open_tools(
    named: str | None,
    default: str | None,
    mcp: McpServers | None,
    note: Callable[[str], None],
) -> Generator[Toolbox]:
    """Yield the tools of a run: a named set's, and those of MCP servers, which end with it.

    Args:
        named: the set; default the one of `default` if there are no servers, else none.
        default: the bundle's set.
        mcp: the servers, or None.
        note: see `toolset` and `McpServers.toolbox`.

    Raises:
        UserError: neither a set nor a server is named; or see `toolset` and `McpServers.toolbox`.
    """
    if mcp is None:
        if named is None and default is None:
            raise UserError("the bundle names no live tools: say which ones with --tools or --mcp")
        yield toolset(named or default or "", note)
        return
    with mcp.toolbox(None if named is None else toolset(named, note), note) as toolbox:
        yield toolbox
