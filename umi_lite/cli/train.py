"""`umi quickstart` and `umi train`."""

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str],
    typer.Option("-o", "--override", help="e.g. stages.global.learning_rate=1e-4; repeatable"),
]


def quickstart(
    out: Annotated[Path, typer.Option(help="the run folder")] = Path("runs/quickstart"),
    recipe: Annotated[str, typer.Option(help="a recipe's name or file")] = "",
    override: Overrides = [],  # noqa: B006
) -> None:
    """Base model to working agent in one go: measure, train, export, measure, run."""
    from rich.console import Console

    from umi_lite.quickstart import RECIPE
    from umi_lite.quickstart import quickstart as run
    from umi_lite.recipe import load_recipe

    run(load_recipe(recipe or RECIPE, override), out.expanduser(), Console(highlight=False))


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="a recipe's name (umi recipes ls) or file")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the run folder; default runs/NAME")] = None,
    override: Overrides = [],  # noqa: B006
    variant: Annotated[
        str | None, typer.Option(help="glpft, glpft-no-reuse, one-stage, multi-task or single")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on with the run in --out")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="plan, rows, steps, estimated memory and disk, nothing else; status 2 with a cross"
        ),
    ] = False,
    calibrate: Annotated[
        bool, typer.Option(help="train for 30 s first, thrown away: tokens/s, hours, real memory")
    ] = False,
    fit: Annotated[
        str | None,
        typer.Option(
            metavar="GIB|free",
            help="change the recipe until its estimate fits, the effective batch kept",
        ),
    ] = None,
) -> None:
    """Train the adapters of a recipe: global, then planner, caller, summarizer."""
    from umi_lite.protocol.errors import UserError
    from umi_lite.recipe import load_recipe
    from umi_lite.train.dry_run import fitted, show, show_calibrated

    if recipe is None and not (resume and out):
        raise UserError("name a recipe (umi recipes ls), or a run with --resume --out RUN")
    if recipe is None and (override or variant):
        raise UserError("--resume keeps the run's own recipe, which -o and --variant would change")
    loaded = None if recipe is None else load_recipe(recipe, override, variant=variant)
    if resume and (fit or calibrate or dry_run):
        raise UserError("--dry-run, --fit and --calibrate are for a new run, not for --resume")
    name = "-".join(filter(None, [loaded.name if loaded else "", variant]))
    folder = out.expanduser() if out else Path("runs") / name
    if loaded is not None and fit is not None:
        loaded = fitted(loaded, fit, typer.echo)
    fits = True
    if loaded is not None and (dry_run or calibrate):
        fits = (show_calibrated if calibrate else show)(loaded, folder, typer.echo)
    if dry_run:
        raise typer.Exit(0 if fits else 2)
    from umi_lite.train.trainer import train as run

    run(loaded, folder, resume=resume)
    typer.echo(f"adapters in {folder}; next: umi export {folder}")
