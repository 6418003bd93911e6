"""`umi run`, `umi eval` and `umi trace show`."""

from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", help="a bundle folder, or a run that holds one")
]
DEFAULT_BUNDLE = Path("runs/quickstart/bundle")


def run(
    instruction: Annotated[str, typer.Argument(help="what the agent is to do")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: Annotated[
        str | None,
        typer.Option(help="a tool set's name or a .py file with functions; default the bundle's"),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="where the trace goes")] = None,
    single: Annotated[bool, typer.Option(help="the global adapter alone plays all roles")] = False,
    json_: Annotated[bool, typer.Option("--json", help="last line: one JSON object")] = False,
) -> None:
    """Run one task; the roles' turns appear in colour as they are written."""
    from rich.console import Console

    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import ask, summary

    made, path = ask(
        load_bundle(bundle), instruction, Console(), tools=tools, trace_path=trace, single=single
    )
    typer.echo(summary(made, path) if json_ else f"stop: {made.stop} · trace: {path}")


def evaluate(
    source: Annotated[str, typer.Argument(help="toolworld or gsm8k")] = "toolworld",
    bundle: BundleOption = DEFAULT_BUNDLE,
    split: Annotated[str, typer.Option(help="toolworld: test or ood; gsm8k: test")] = "test",
    path: Annotated[Path | None, typer.Option(help="the source's file (gsm8k)")] = None,
    n: Annotated[int, typer.Option(help="how many tasks")] = 100,
    seed: Annotated[int, typer.Option(help="which tasks")] = 1,
    slots: Annotated[int, typer.Option(help="episodes at once")] = 16,
    single: Annotated[bool, typer.Option(help="the global adapter alone plays all roles")] = False,
    json_: Annotated[bool, typer.Option("--json", help="print the whole report as JSON")] = False,
) -> None:
    """Run held-out tasks and count those that were solved."""
    import json

    from rich.console import Console

    from umi_lite.evals.report import rate_table
    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import load_tasks, measure

    where = {"path": str(path)} if path else {"seed": seed}
    tasks = load_tasks(source, split=split, n=n, **where)
    console = Console(stderr=json_)
    with load_bundle(bundle).engine(slots=slots) as engine:
        score = measure(engine, tasks, f"{source} · {split}", console, single=single)
    if json_:
        typer.echo(json.dumps(score.report()))
    else:
        console.print(rate_table(f"{source} · {split}", {"success": score.rates()}))


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
