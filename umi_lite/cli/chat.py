"""`umi chat`: several turns with an agent in the terminal."""

from typing import Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    Limits,
    McpOptions,
    Roles,
    SamplingOptions,
    ToolsOption,
    TraceFile,
    home,
    with_groups,
)
from umi_lite.cli.run import hash_ahead_of


@with_groups
def chat(
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: ToolsOption = None,
    system: Annotated[str, typer.Option(help="text to read before the first message")] = "",
    trace: TraceFile = None,
    save: Annotated[
        bool, typer.Option(help="keep the chat in the trace store (umi trace ls)")
    ] = True,
    *,
    mcp: McpOptions,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Chat with the agent, turn by turn.

    All turns are in one transcript, streamed in colour. Without a terminal each line of stdin is a
    turn. Ctrl-C stops a turn, Ctrl-D ends the chat, /help lists the commands.
    """
    from umi_lite.files import utf8

    hash_ahead_of(bundle)
    from rich.console import Console

    from umi_lite import chat as chats
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.serve.store import TraceStore

    opened = load_bundle(bundle)
    chats.chat(
        opened,
        Console(),
        tools=home(tools),
        mcp=mcp.servers(),
        system=utf8(system, "--system"),
        trace_path=trace,
        store=TraceStore() if save else None,
        views=roles.views,
        bounds=limits.bounds(opened.spec.bounds),
        sampling=sampling_options.sampling(opened.spec.sampling),
        elsewhere=roles.elsewhere,
        overrides=roles.overrides(slots=1),
        timeout=roles.timeout,
    )
