"""`umi run` and `umi trace show`."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.roles import DEFAULT_BUNDLE, BundleOption, Roles, with_roles


@with_roles
def run(
    instruction: Annotated[str, typer.Argument(help="what the agent is to do")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: Annotated[
        str | None,
        typer.Option(help="a tool set's name or a .py file with functions; default the bundle's"),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="where the trace goes")] = None,
    json_: Annotated[bool, typer.Option("--json", help="last line: one JSON object")] = False,
    *,
    roles: Roles,
) -> None:
    """Run one task; the roles' turns appear in colour as they are written."""
    from rich.console import Console

    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import ask, summary

    made, path = ask(
        load_bundle(bundle),
        instruction,
        Console(),
        tools=tools,
        trace_path=trace,
        single=roles.single,
        elsewhere=roles.elsewhere,
        wishes=roles.wishes(slots=1),
        timeout=roles.timeout,
    )
    typer.echo(summary(made, path) if json_ else f"stop: {made.stop} · trace: {path}")


def show_trace(
    path: Annotated[Path, typer.Argument(help="a trace file")],
    json_: Annotated[bool, typer.Option("--json", help="the trace as it is stored")] = False,
) -> None:
    """Show an episode that ran: its turns, why it stopped, and what it cost."""
    from rich.console import Console

    from umi_lite.runtime.show import show_trace as show
    from umi_lite.runtime.trace import Trace

    trace = Trace.load(path)
    if json_:
        typer.echo(trace.model_dump_json())
    else:
        show(trace, Console())
