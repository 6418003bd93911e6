"""`umi data bootstrap`: trajectories of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.groups import with_groups
from umi_lite.cli.limits import Limits
from umi_lite.cli.output import print_json
from umi_lite.cli.roles import DEFAULT_BUNDLE, BundleOption, Roles


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

    from umi_lite.evals.bootstrap import Plenty, check_split
    from umi_lite.evals.bounds import bounds_of
    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import gather, load_tasks

    check_split(split)
    opened = load_bundle(bundle)
    summary = gather(
        opened,
        load_tasks(source, split=split, path=path, seed=data_seed, n=n),
        out,
        Plenty(tries, temperature, keep, seed),
        Console(stderr=True),
        single=roles.single,
        bounds=limits.bounds(opened.spec.bounds, bounds_of(source)),
        elsewhere=roles.elsewhere,
        wishes=roles.wishes(slots),
        timeout=roles.timeout,
    )
    if json_:
        print_json(summary.model_dump_json())
    else:
        print(f"{summary} · {out}")
