"""`umi data`: sources, samples and leaks before training, and bootstrapped trajectories."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    Limits,
    RecipeOverrides,
    Roles,
    with_groups,
)
from umi_lite.cli.output import print_json
from umi_lite.errors import UserError
from umi_lite.sandbox.text import visible

ViewOption = Annotated[str, typer.Option("--role", help="backbone, planner, caller or summarizer")]


def ls() -> None:
    """List the sources of trajectories."""
    from umi_lite.data import SOURCES
    from umi_lite.data.load import find_source

    for name in SOURCES:
        typer.echo(f"{name:<19}{find_source(name).about}")


def leaks(
    recipe: Annotated[str, typer.Argument(help="recipe name or file")],
    override: RecipeOverrides = [],  # noqa: B006
) -> None:
    """List training instructions that are also in the held-out data.

    They are never trained on.
    """
    from rich.console import Console

    from umi_lite.recipe.schema import load_recipe
    from umi_lite.train.inputs import leaks_of
    from umi_lite.train.preview import leak_table

    Console(highlight=False).print(leak_table(leaks_of(load_recipe(recipe, override))))


def preview(
    recipe: Annotated[str, typer.Argument(help="recipe name or file, or a source (umi data ls)")],
    role: ViewOption = "planner",
    n: Annotated[int, typer.Option("-n", "--n", min=0, help="number of samples")] = 3,
    split: Annotated[str | None, typer.Option(help="split of a source")] = None,
    path: Annotated[
        Path | None, typer.Option(help="a source's file or folder, if it takes one")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="seed of a generated source")] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="output page (.html) of a recipe: all roles, lengths, what is lost"),
    ] = None,
    override: RecipeOverrides = [],  # noqa: B006
) -> None:
    """Show a recipe's training samples, or a source's tasks.

    Of a recipe, trained tokens are green, masked ones dim, those of too long samples red.
    """
    from rich.console import Console

    from umi_lite.data import SOURCES
    from umi_lite.recipe.schema import load_recipe
    from umi_lite.train.preview import show, show_tasks

    options = {"split": split, "path": path, "seed": seed}
    if recipe in SOURCES:
        if html is not None:
            raise UserError(f"--html is for a recipe; {recipe} is a source, which has no masks")
        show_tasks(recipe, {**options, "n": n}, Console(highlight=False))
        return
    if any(value is not None for value in options.values()):
        raise UserError("--split, --path and --seed are for a source; -o changes a recipe's data")
    if html is None:
        show(load_recipe(recipe, override), role, n, Console(highlight=False))
        return
    from umi_lite.train.preview_page import write_preview

    for made in write_preview(load_recipe(recipe, override), n, html):
        share = made.trained / max(1, made.trained + made.masked)
        lost = f", {made.too_long} too long" if made.too_long else ""
        typer.echo(f"{made.view}: {len(made.lengths)} samples, {share:.1%} trained{lost}")
    typer.echo(visible(f"page: {html}"))


def render(
    source: Annotated[str, typer.Argument(help="source name (umi data ls)")],
    path: Annotated[
        Path | None, typer.Option(help="the source's file or folder, if it takes one")
    ] = None,
    role: ViewOption = "planner",
    style: Annotated[str, typer.Option(help="prompt style: chat or paper")] = "chat",
    split: Annotated[
        str | None, typer.Option(help="split: train, test, ood (toolworld) or dev (wild, everyday)")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--n", help="maximum number of trajectories")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="output as JSON lines, one per sample")
    ] = False,
) -> None:
    """Print a source's samples as a role sees them.

    Style paper prints input and target; chat prints prompt, token ids and mask.
    """
    import json

    from umi_lite.train.preview import rendered

    options = {"path": path, "split": split, "n": n}
    loaded, samples = rendered(source, options, role, style)
    for sample in samples:
        if jsonl:
            print_json(json.dumps(sample, ensure_ascii=False))
        else:
            print(visible("".join(sample_text(sample))))
    for reason, count, where in loaded.drop_table():
        typer.echo(visible(f"dropped {count}: {reason} (first: {where})"), err=True)


def sample_text(sample: dict[str, object]) -> list[str]:
    """Return the text of a sample, followed by a rule."""
    text = [str(sample[key]) for key in ("input", "target", "prompt") if key in sample]
    return [*text, "\n", "-" * 80]


@with_groups
def bootstrap(
    source: Annotated[
        str, typer.Argument(help="source of the questions: toolworld, gsm8k or math")
    ],
    out: Annotated[Path, typer.Option(help="output file of trajectories (.jsonl)")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    split: Annotated[
        str | None, typer.Option(help="toolworld's split; only train is allowed, the default")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="the source's training file, if it takes one")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="number of questions")] = 100,
    data_seed: Annotated[
        int | None, typer.Option(help="seed of toolworld's questions; default 0")
    ] = None,
    tries: Annotated[
        int, typer.Option(help="maximum number of episodes per question; the first is greedy")
    ] = 4,
    temperature: Annotated[
        float, typer.Option(help="sampling temperature from the second episode on")
    ] = 0.7,
    keep: Annotated[int, typer.Option(help="maximum number of trajectories kept per question")] = 2,
    seed: Annotated[int, typer.Option(help="sampling seed")] = 0,
    slots: Annotated[int, typer.Option(help="concurrent episodes")] = 16,
    json_: Annotated[bool, typer.Option("--json", help="summary as JSON on stdout")] = False,
    *,
    limits: Limits,
    roles: Roles,
) -> None:
    """Make training data from a bundle's own right answers.

    The bundle solves training questions; episodes that end right are kept as trajectories.
    """
    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.evals.bootstrap import BootstrapConfig, check_split
    from umi_lite.evals.bounds import bounds_of
    from umi_lite.evals.measure import gather, load_tasks

    check_split(split)
    opened = load_bundle(bundle)
    tasks = load_tasks(source, split=split, path=path, seed=data_seed, n=n)
    bounds = limits.bounds(opened.spec.bounds, bounds_of(source))
    console = Console(stderr=True)
    with roles.open(opened, slots, console) as engine:
        summary = gather(
            engine,
            opened.path,
            opened.spec,
            tasks,
            out,
            BootstrapConfig(tries, temperature, keep, seed),
            console,
            bounds=bounds,
            elsewhere=roles.elsewhere,
        )
    if json_:
        print_json(summary.model_dump_json())
    else:
        print(f"{summary} · {out}")
