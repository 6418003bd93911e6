"""`umi quickstart` and `umi train`."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.weights.gguf_to_hf import GgufType

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

    from umi_lite.recipe.schema import load_recipe
    from umi_lite.reproduce.quickstart import RECIPE
    from umi_lite.reproduce.quickstart import quickstart as run

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
    from umi_lite.errors import UserError
    from umi_lite.recipe.schema import load_recipe
    from umi_lite.train.budget.dry_run import fitted, show, show_calibrated

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


def export(
    run: Annotated[Path, typer.Argument(help="a finished run folder")],
    out: Annotated[Path | None, typer.Option(help="the bundle; default RUN/bundle")] = None,
    base: Annotated[
        Path | None, typer.Option(help="the base GGUF, where the recipe names none")
    ] = None,
    quantize: Annotated[
        GgufType | None,
        typer.Option(help="make the base (or merged models) again"),
    ] = None,
    merge: Annotated[
        bool, typer.Option(help="also write a standalone GGUF a role, for Ollama or LM Studio")
    ] = False,
) -> None:
    """Turn a run's adapters into a bundle: one base GGUF and three LoRA GGUFs."""
    from umi_lite.bundle.export import export_run

    def note(text: str) -> None:
        typer.echo(f"note: {text}", err=True)

    out, base = (path and path.expanduser() for path in (out, base))
    bundle = export_run(run.expanduser(), out, quantize=quantize, merge=merge, base=base, note=note)
    typer.echo(f'{bundle.path}: every adapter changes the model\'s output; next: umi run "…"')


def doctor(
    recipe: Annotated[
        str | None, typer.Argument(help="a recipe's name or file: would it fit here?")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="last line: one JSON list")] = False,
) -> None:
    """Tell what works here: GPU, training, llama.cpp, sandbox, memory. Exit code 1: a ✗."""
    import json
    from itertools import chain

    from umi_lite.console import Line
    from umi_lite.doctor import nvidia_card, recipe_lines, running_lines, training_lines

    card = nvidia_card()
    lines: list[Line] = []
    of_recipe = recipe_lines(recipe) if recipe is not None else ()
    for line in chain(training_lines(card), running_lines(card), of_recipe):
        lines.append(line)
        if not json_:
            typer.echo(str(line))  # at once: Unsloth's first import takes most of a minute
    if json_:
        typer.echo(json.dumps([line.model_dump() for line in lines], ensure_ascii=False))
    raise typer.Exit(int(any(line.mark == "✗" for line in lines)))


def ls() -> None:
    """The recipes that come with umi_lite."""
    from umi_lite.recipe.library import recipe_names

    for name in recipe_names():
        typer.echo(name)


def show(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or file")],
    override: Overrides = [],  # noqa: B006
    resolved: Annotated[bool, typer.Option(help="with all the defaults")] = False,
) -> None:
    """A recipe as it is written, or resolved."""
    from umi_lite.recipe.library import recipe_files
    from umi_lite.recipe.schema import load_recipe

    if resolved or override:
        typer.echo(load_recipe(recipe, override).to_yaml(), nl=False)
    else:
        for path in recipe_files(recipe):
            typer.echo(path.read_text(encoding="utf-8"), nl=False)


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
