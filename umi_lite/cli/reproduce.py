"""`umi reproduce`: a comparison as one command."""

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    table: Annotated[str, typer.Argument(help="a table's name (recipes/tables) or file")],
    out: Annotated[Path | None, typer.Option(help="its folder; default runs/NAME")] = None,
    dry_run: Annotated[bool, typer.Option(help="print the runs and stop")] = False,
) -> None:
    """Train and measure the variants of a table, and write its report. Goes on after a kill."""
    from rich.console import Console

    from umi_lite.reproduce.table import load_table, planned_runs

    loaded = load_table(table)
    runs = planned_runs(loaded)
    if dry_run:
        from umi_lite.train.plan import describe

        for run in runs:
            typer.echo("\n".join([f"run {run.name}", *(f"  {x}" for x in describe(run.recipe))]))
        return
    from umi_lite.reproduce.report import write_report
    from umi_lite.reproduce.runs import do_runs

    folder = out or Path("runs") / loaded.name
    do_runs(runs, folder, Console(highlight=False))
    for path in write_report(loaded, runs, folder):
        typer.echo(path)
