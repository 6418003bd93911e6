"""`umi data ls`, `preview`, `render` and `leaks`: look at what is trained before it is."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.output import print_json
from umi_lite.cli.roles import DEFAULT_BUNDLE, BundleOption, Limits, Roles, with_groups
from umi_lite.cli.train import Overrides
from umi_lite.sandbox.text import visible

ViewOption = Annotated[str, typer.Option("--role", help="backbone, planner, caller or summarizer")]


def ls() -> None:
    """The sources of trajectories."""
    from umi_lite.data import SOURCES, find_source

    for name in SOURCES:
        typer.echo(f"{name:<19}{find_source(name).about}")


def leaks(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or file")],
    override: Overrides = [],  # noqa: B006
) -> None:
    """Training instructions that are in the held-out data too; they are never trained on."""
    from rich.console import Console

    from umi_lite.recipe.schema import load_recipe
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

    from umi_lite.recipe.schema import load_recipe
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


@with_groups
def bootstrap(
    source: Annotated[
        str, typer.Argument(help="where the questions are from: toolworld, gsm8k, math")
    ],
    out: Annotated[Path, typer.Option(help="the file of trajectories (.jsonl)")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    split: Annotated[str | None, typer.Option(help="toolworld: train (default)")] = None,
    path: Annotated[
        Path | None, typer.Option(help="the source's training file, where it has one")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="how many questions")] = 100,
    data_seed: Annotated[
        int | None, typer.Option(help="which questions (toolworld); default 0")
    ] = None,
    tries: Annotated[int, typer.Option(help="episodes a question at most, the first greedy")] = 4,
    temperature: Annotated[float, typer.Option(help="of the later tries")] = 0.7,
    keep: Annotated[int, typer.Option(help="trajectories a question at most")] = 2,
    seed: Annotated[int, typer.Option(help="of the sampling")] = 0,
    slots: Annotated[int, typer.Option(help="episodes at once")] = 16,
    json_: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
    *,
    limits: Limits,
    roles: Roles,
) -> None:
    """Solve training questions with a bundle; keep what ended right as a source to train on."""
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
