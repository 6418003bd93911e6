"""`umi mcp`: the agent and the Python sandbox as tools of an MCP server."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    Limits,
    McpOptions,
    Roles,
    SamplingOptions,
    ToolsOption,
    home,
    with_groups,
)

if TYPE_CHECKING:
    from umi_lite.bundle.bundle import Bundle


@with_groups
def mcp(
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            "-b",
            help="bundle folder, or a run folder with a bundle in it; default the one in the box, "
            "or no agent where its base is not installed",
        ),
    ] = None,
    tools: ToolsOption = None,
    save: Annotated[
        bool, typer.Option(help="keep the episodes in the trace store (umi trace ls)")
    ] = True,
    *,
    mcp: McpOptions,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Serve the agent and the sandbox to MCP clients.

    Over stdio, as the tools `ask` and `run_python`. For a client's file:
    {"mcpServers": {"umi": {"command": "umi", "args": ["mcp"]}}}
    """
    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.console import dim
    from umi_lite.mcp_server import serve
    from umi_lite.serve.store import TraceStore

    console = Console(stderr=True)
    opened = _in_the_box(dim(console)) if bundle is None else load_bundle(bundle)
    serve(
        opened,
        lambda: roles.open(opened or load_bundle(DEFAULT_BUNDLE), 1, console),
        dim(console),
        tools=home(tools),
        mcp=mcp.servers(),
        bounds=None if opened is None else limits.bounds(opened.spec.bounds),
        sampling=None if opened is None else sampling_options.sampling(opened.spec.sampling),
        store=TraceStore() if save else None,
    )


def _in_the_box(note: Callable[[str], None]) -> "Bundle | None":
    """Return the bundle in the box; None, with a note, where its base is not installed."""
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.errors import UserError

    try:
        return load_bundle(DEFAULT_BUNDLE)
    except UserError as err:
        note(f"ask is not offered: {err}")
        return None
