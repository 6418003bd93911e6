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

    run(load_recipe(recipe or RECIPE, override), out, Console(highlight=False))


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
    dry_run: Annotated[bool, typer.Option(help="print the resolved plan and stop")] = False,
) -> None:
    """Train the adapters of a recipe: global, then planner, caller, summarizer."""
    from umi_lite.protocol.errors import UserError
    from umi_lite.recipe import load_recipe
    from umi_lite.train.plan import describe

    if recipe is None and not (resume and out):
        raise UserError("name a recipe (umi recipes ls), or a run with --resume --out RUN")
    loaded = None if recipe is None else load_recipe(recipe, override, variant=variant)
    if dry_run and loaded is not None:
        typer.echo("\n".join(describe(loaded)))
        return
    from umi_lite.train.trainer import train as run

    name = "-".join(filter(None, [loaded.name if loaded else "", variant]))
    folder = out or Path("runs") / name
    run(loaded, folder, resume=resume)
    typer.echo(f"adapters in {folder}; next: umi export {folder}")
