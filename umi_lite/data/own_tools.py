"""Your own tools to make tasks for: of a Python file, an OpenAPI document or an MCP server."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from umi_lite.data import openapi_file
from umi_lite.data.rows import Dropped
from umi_lite.data.synth.wording import SynthTool
from umi_lite.data.tools_file import load_tools
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.mcp.config import servers_of
from umi_lite.tools.mcp.servers import listed
from umi_lite.tools.tools import ToolFunction


@dataclass(frozen=True)
class OwnTools:
    """Tools to make tasks for.

    Attributes:
        origin: what was read, as an option of `umi adapt` and its value.
        name: a short one, for a run folder.
        tools: with the functions that may really be called; the others are simulated.
        dropped: what cannot be a tool, each with its reason.
    """

    origin: str
    name: str
    tools: tuple[SynthTool, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def functions(self) -> dict[str, ToolFunction]:
        """Return the functions that may really be called, by name."""
        return {one.tool.name: one.function for one in self.tools if one.function is not None}


def read_own(
    *, tools: Path | None, openapi: Path | None, mcp: str | None, run: Sequence[str] = ()
) -> OwnTools:
    """Return the tools of the one place that is given.

    Raises:
        UserError: none is given, or several; or see the function of that place.
    """
    given = [option for option in (tools, openapi, mcp) if option is not None]
    if len(given) != 1:
        raise UserError("name the tools: one of --tools FILE.py, --openapi FILE or --mcp 'COMMAND'")
    if run and tools is None:
        raise UserError(f"--run {run[0]}: only functions of a --tools file may be called")
    if tools is not None:
        return of_file(tools, run)
    return of_openapi(openapi) if openapi is not None else of_mcp(mcp or "")


def of_file(path: Path, run: Sequence[str] = ()) -> OwnTools:
    """Return the public functions of a Python file.

    The file itself is run, as every import of it does. Of its functions only those in `run` are
    called, to make tasks and to measure on them.

    Raises:
        UserError: see `load_tools`; or `run` names what the file does not have.
    """
    dropped: list[Dropped] = []
    if not path.is_file():
        raise UserError(f"--tools {path}: no such file; name a .py file with functions")
    box = load_tools(path, lambda note: dropped.append(Dropped(str(path), note)))
    known = {spec.name for spec in box.specs}
    if unknown := [name for name in run if name not in known]:
        raise UserError(f"--run {unknown[0]}: {path} has {', '.join(sorted(known))}")
    tools = [
        SynthTool(made.spec, None, path.stem, made if made.spec.name in run else None)
        for made in box.functions
    ]
    return OwnTools(f"--tools {path}", _plain(path.stem), tuple(tools), tuple(dropped))


def of_openapi(path: Path) -> OwnTools:
    """Return the operations of an OpenAPI document.

    Raises:
        UserError: see `openapi_file.operations`; or none of them can be a tool.
    """
    tools, dropped = openapi_file.operations(path)
    return _own(f"--openapi {path}", path.stem, tools, dropped)


def of_mcp(given: str) -> OwnTools:
    """Return the tools that an MCP server lists: a command, a URL, or a `.json` file of servers.

    Raises:
        UserError: see `mcp.servers.listed`; or none of them can be a tool.
    """
    tools, left_out = listed(given)
    name = servers_of(given)[0].name if not given.endswith(".json") else Path(given).stem
    return _own(f"--mcp {given}", name, tools, [Dropped(given, why) for why in left_out])


def _own(origin: str, name: str, tools: Iterable[Tool], dropped: Sequence[Dropped]) -> OwnTools:
    made = tuple(SynthTool(tool, None, name) for tool in tools)
    if not made:
        why = f": {dropped[0].reason}" if dropped else ""
        raise UserError(f"{origin}: no tool in it{why}")
    return OwnTools(origin, _plain(name), made, tuple(dropped))


def _plain(name: str) -> str:
    """Return a name as a recipe may have it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "tools"
