"""`umi quickstart`, `train`, `export`, `reproduce`, `doctor` and `recipes`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from umi_lite.cli.options import RecipeOverrides
from umi_lite.weights.gguf_to_hf import GgufType


def quickstart(
    out: Annotated[Path, typer.Option(help="run folder")] = Path("runs/quickstart"),
    recipe: Annotated[
        str, typer.Option(help="recipe name or file; default toolworld/smollm2-135m")
    ] = "",
    override: RecipeOverrides = [],  # noqa: B006
) -> None:
    """Train and measure a small agent from start to end.

    Measures the agent in the box and the base, trains, exports, measures again, runs episodes.
    """
    from rich.console import Console

    from umi_lite.recipe.schema import load_recipe
    from umi_lite.reproduce.quickstart import RECIPE
    from umi_lite.reproduce.quickstart import quickstart as run

    run(load_recipe(recipe or RECIPE, override), out.expanduser(), Console(highlight=False))


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="recipe name (umi recipes ls) or file")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="run folder; default runs/NAME")] = None,
    override: RecipeOverrides = [],  # noqa: B006
    variant: Annotated[
        str | None,
        typer.Option(
            help="training variant: glpft, glpft-no-reuse, one-stage, multi-task, single, or a file"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="resume the run in --out")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="print plan, rows, steps, estimated memory and disk, then stop; exit code 2 "
            "if it does not fit"
        ),
    ] = False,
    calibrate: Annotated[
        bool, typer.Option(help="first measure tokens/s, hours and memory in a trial run of 30 s")
    ] = False,
    fit: Annotated[
        str | None,
        typer.Option(
            metavar="GIB|free",
            help="change the recipe until its estimate fits this memory; keeps the effective batch",
        ),
    ] = None,
) -> None:
    """Train a recipe's adapters.

    First the global one, then planner, caller and summarizer.
    """
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
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="bundle folder; default RUN/bundle")] = None,
    base: Annotated[Path | None, typer.Option(help="base GGUF, if the recipe names none")] = None,
    quantize: Annotated[
        GgufType | None,
        typer.Option(help="requantize the base (or merged models) to this type"),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option(help="also write a GGUF and an Ollama Modelfile per role, to OUT-merged"),
    ] = False,
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="report for the model card, from umi eval … --json (repeatable)"),
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME", help="then upload the bundle and its card to the Hugging Face hub"
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="create the repository of --push-to-hub as private")
    ] = False,
) -> None:
    """Export a run as a bundle of GGUF files.

    A bundle holds one base GGUF, a LoRA GGUF per role and a model card (README.md) with the
    scores in the run's folder.
    """
    from umi_lite.bundle.export import export_run
    from umi_lite.bundle.push import check_push, push
    from umi_lite.errors import UserError

    if push_to_hub is not None:
        check_push(push_to_hub)
    elif private:
        raise UserError("--private is for --push-to-hub OWNER/NAME")

    def note(text: str) -> None:
        typer.echo(f"note: {text}", err=True)

    out, base = (path and path.expanduser() for path in (out, base))
    reports = [path.expanduser() for path in scores or ()]
    how: dict[str, Any] = {"quantize": quantize, "merge": merge, "base": base, "scores": reports}
    bundle = export_run(run.expanduser(), out, note=note, **how)
    typer.echo(f'{bundle.path}: every adapter changes the model\'s output; next: umi run "…"')
    if push_to_hub is not None:
        typer.echo(push(bundle, push_to_hub, private=private, note=note))


def doctor(
    recipe: Annotated[
        str | None, typer.Argument(help="recipe name or file whose memory and disk are checked too")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="checks as one JSON list on the last line")
    ] = False,
) -> None:
    """Check what works on this machine.

    GPU, training, llama.cpp, sandbox, memory and disk. Exit code 1: a check failed (✗).
    """
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
    """List the recipes that come with umi_lite."""
    from umi_lite.recipe.library import recipe_names

    for name in recipe_names():
        typer.echo(name)


def show(
    recipe: Annotated[str, typer.Argument(help="recipe name or file")],
    override: RecipeOverrides = [],  # noqa: B006
    resolved: Annotated[bool, typer.Option(help="fill in all defaults")] = False,
) -> None:
    """Show a recipe as written, or resolved."""
    from umi_lite.recipe.library import recipe_files
    from umi_lite.recipe.schema import load_recipe

    if resolved or override:
        typer.echo(load_recipe(recipe, override).to_yaml(), nl=False)
    else:
        for path in recipe_files(recipe):
            typer.echo(path.read_text(encoding="utf-8"), nl=False)


def reproduce(
    table: Annotated[str, typer.Argument(help="table name (recipes/tables) or file")],
    out: Annotated[Path | None, typer.Option(help="output folder; default runs/NAME")] = None,
    dry_run: Annotated[bool, typer.Option(help="list the runs and stop")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="report of the finished runs; nothing is trained")
    ] = False,
) -> None:
    """Train and measure the variants of a table.

    Writes a report of the finished runs. A killed call resumes where it stopped; calls at the
    same time share the runs.
    """
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
    from umi_lite.reproduce.runs import do_runs, finished

    folder = out or Path("runs") / loaded.name
    if not report:
        do_runs(runs, folder, Console(highlight=False))
    for path in write_report(loaded, finished(runs, folder), folder):
        typer.echo(path)
