"""`umi trace`: list, show, export and branch finished episodes, and view them in a browser."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    JsonResult,
    Limits,
    McpOptions,
    Roles,
    SamplingOptions,
    ToolsOption,
    TraceFile,
    home,
    with_groups,
)
from umi_lite.cli.output import print_json
from umi_lite.errors import UserError
from umi_lite.sandbox.text import visible

if TYPE_CHECKING:
    from umi_lite.serve.query import Query
    from umi_lite.serve.store import Entry

Which = Annotated[
    str, typer.Argument(help="id of a trace, its beginning, or a trace file; default the newest")
]
Words = Annotated[
    list[str] | None, typer.Argument(help="words that are in the instruction or the turns")
]
Failed = Annotated[bool, typer.Option("--failed", help="only episodes without a whole answer")]
ToolOption = Annotated[str | None, typer.Option("--tool", help="only episodes that called it")]
Since = Annotated[
    str | None, typer.Option(help="earliest start: 30m, 12h, 1d, 2w ago, or a date (2026-11-29)")
]


def ls(
    words: Words = None,
    failed: Failed = False,
    tool: ToolOption = None,
    since: Since = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="number of traces, newest first")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="a JSON object per line")] = False,
) -> None:
    """List the episodes in the trace store."""
    import json
    from dataclasses import asdict

    from umi_lite.serve.store import TraceStore

    with TraceStore() as store:
        found = store.list(_query(words, failed, tool, since, n + 1))
        where = store.path
    for entry in found[:n]:
        if json_:
            print_json(json.dumps(asdict(entry), ensure_ascii=False))
        else:
            print(_line(entry))
    if not found:
        typer.echo(f"no traces match in {where}", err=True)
    elif len(found) > n:
        typer.echo(f"there are more than {n}: raise -n", err=True)


def show(
    which: Which = "last",
    json_: Annotated[bool, typer.Option("--json", help="the trace as JSON on stdout")] = False,
    prompt: Annotated[
        int | None, typer.Option("--prompt", help="number of a turn: print its exact prompt")
    ] = None,
) -> None:
    """Show an episode's numbered turns, stop reason and cost."""
    from rich.console import Console

    from umi_lite.agent.show import show_trace
    from umi_lite.serve.pick import pick, prompt_of

    trace = pick(which)
    if json_:
        print_json(trace.model_dump_json())
    elif prompt is not None:
        print(visible(prompt_of(trace, prompt)))
    else:
        show_trace(trace, Console())


@with_groups
def replay(
    which: Which = "last",
    from_: Annotated[
        int | None,
        typer.Option("--from", help="number of the turn to branch from; default after the last"),
    ] = None,
    with_: Annotated[
        Path | None,
        typer.Option("--with", help="file with that turn in other words; - reads stdin"),
    ] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: ToolsOption = None,
    trace: TraceFile = None,
    save: Annotated[bool, typer.Option(help="keep the new episode in the trace store")] = True,
    json_: JsonResult = False,
    *,
    limits: Limits,
    sampling_options: SamplingOptions,
    mcp: McpOptions,
    roles: Roles,
) -> None:
    """Branch an episode from a turn.

    What was before it is given, then the loop continues. Earlier calls are not made again.
    """
    from rich.console import Console

    from umi_lite.agent.branch import branch
    from umi_lite.ask import ask, read_text
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.serve.pick import pick
    from umi_lite.serve.store import TraceStore

    text = None if with_ is None else read_text(with_)
    task = branch(pick(which).trajectory, from_, text)
    opened = load_bundle(bundle)
    made = ask(
        opened,
        task,
        Console(stderr=json_),
        tools=home(tools),
        mcp=mcp.servers(),
        trace_path=trace,
        store=TraceStore() if save else None,
        views=roles.views,
        bounds=limits.bounds(opened.spec.bounds),
        sampling=sampling_options.sampling(opened.spec.sampling),
        elsewhere=roles.elsewhere,
        overrides=roles.overrides(slots=1),
        timeout=roles.timeout,
    )
    if json_:
        print_json(made.json())
    else:
        print(visible(made.line()))
    raise typer.Exit(1 if made.trace.answer is None else 0)


def export(
    which: Annotated[
        list[str] | None,
        typer.Argument(help="ids, trace files or folders of them; default all of the store"),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="output file: .html a page to open, .json one trace, .jsonl many"),
    ] = Path("traces.html"),
    words: Annotated[str, typer.Option("--words", help="words in instruction or turns")] = "",
    failed: Failed = False,
    tool: ToolOption = None,
    since: Since = None,
) -> None:
    """Export episodes as one self-contained page, or as JSON."""
    from umi_lite.serve.pick import pick_all, write

    query = _query([words], failed, tool, since, None)
    traces = pick_all(which or [], query)
    if not traces:
        raise UserError("no traces match: nothing is exported")
    write(traces, out)
    typer.echo(f"{len(traces)} {'trace' if len(traces) == 1 else 'traces'} in {visible(str(out))}")


def view(
    port: Annotated[int, typer.Option(min=0, max=65535, help="port; 0 for a free one")] = 8077,
) -> None:
    """View the trace store in a browser, live.

    Episodes appear turn by turn. Only this machine is answered.
    """
    from umi_lite.serve.store import TraceStore
    from umi_lite.serve.viewer import view as serve

    def ready(address: str) -> None:
        typer.echo(f"traces at {address} · Ctrl-C stops")

    with TraceStore() as store:
        serve(store, port, ready)


def _query(
    words: list[str] | None, failed: bool, tool: str | None, since: str | None, most: int | None
) -> "Query":
    from umi_lite.files import utf8
    from umi_lite.serve.query import Query, moment

    return Query(
        words=utf8(" ".join(words or ()), "the words"),
        tool=None if tool is None else utf8(tool, "--tool"),
        failed=failed,
        since=None if since is None else moment(since),
        most=most,
    )


def _line(entry: "Entry") -> str:
    """Return an entry on one line, cut to the width of a terminal."""
    from datetime import datetime

    when = datetime.fromtimestamp(entry.began).strftime("%Y-%m-%d %H:%M")
    calls = f"{entry.calls} call{'' if entry.calls == 1 else 's'}"
    what = " ".join(entry.instruction.split())
    line = f"{entry.id:<19} {when}  {entry.state:<11} {calls:>8} {entry.seconds:7.1f} s  {what}"
    line = visible(line)
    return line[: shutil.get_terminal_size().columns] if sys.stdout.isatty() else line
