"""`umi data ls`, `preview`, `render` and `leaks`: look at what is trained before it is."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.output import print_json
from umi_lite.cli.train import Overrides
from umi_lite.sandbox.text import visible

ViewOption = Annotated[str, typer.Option("--role", help="backbone, planner, caller or summarizer")]


def ls() -> None:
    """The sources of trajectories."""
    from umi_lite.data import ABOUT

    for name, about in ABOUT.items():
        typer.echo(f"{name:<19}{about}")


def leaks(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or file")],
    override: Overrides = [],  # noqa: B006
) -> None:
    """Training instructions that are in the held-out data too; they are never trained on."""
    from rich.console import Console

    from umi_lite.recipe import load_recipe
    from umi_lite.train.inputs import leaks_of
    from umi_lite.train.preview import leak_table

    Console(highlight=False).print(leak_table(leaks_of(load_recipe(recipe, override))))


def preview(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or file")],
    role: ViewOption = "planner",
    n: Annotated[int, typer.Option("-n", "--n", min=0, help="how many samples to show")] = 3,
    override: Overrides = [],  # noqa: B006
) -> None:
    """A recipe's samples: trained tokens green, masked dim, too long red, with counts."""
    from rich.console import Console

    from umi_lite.recipe import load_recipe
    from umi_lite.train.preview import show

    show(load_recipe(recipe, override), role, n, Console(highlight=False))


def render(
    source: Annotated[str, typer.Argument(help="a source (umi data ls)")],
    path: Annotated[
        Path | None, typer.Option(help="the source's file or folder, where it has one")
    ] = None,
    role: ViewOption = "planner",
    style: Annotated[str, typer.Option(help="chat or paper")] = "chat",
    split: Annotated[str | None, typer.Option(help="toolworld: train, test or ood")] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="at most so many trajectories")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="one JSON object a sample")] = False,
) -> None:
    """A source's samples: paper prints input and target, chat prompt, ids and mask."""
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
    """A sample for people: its text and a rule behind it."""
    text = [str(sample[key]) for key in ("input", "target", "prompt") if key in sample]
    return [*text, "\n", "-" * 80]
