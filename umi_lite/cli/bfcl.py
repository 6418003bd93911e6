"""`umi eval bfcl`: the Berkeley Function Calling Leaderboard."""

from pathlib import Path
from typing import Annotated, Any

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    Limits,
    Roles,
    SamplingOptions,
    with_groups,
)
from umi_lite.cli.output import print_json


@with_groups
def bfcl(
    bundle: BundleOption = DEFAULT_BUNDLE,
    category: Annotated[
        list[str] | None,
        typer.Option(help="category (repeatable); default all single-turn ones but simple_java"),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", "--n", min=1, help="number of tasks per category; all")
    ] = None,
    seed: Annotated[int, typer.Option(help="seed that draws the -n tasks")] = 0,
    gold: Annotated[
        bool, typer.Option("--gold", help="the possible answers in place of a bundle")
    ] = False,
    slots: Annotated[int, typer.Option(help="concurrent episodes")] = 16,
    out: Annotated[
        Path | None,
        typer.Option(help="file of all calls and verdicts (.jsonl); an existing one is resumed"),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="hits by category as JSON, on the last line")
    ] = False,
    *,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Score a bundle on the Berkeley Function Calling Leaderboard.

    Its tasks and its checker come from the package bfcl-eval, installed without dependencies.
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.console import counting
    from umi_lite.data.bfcl import DEFAULT, tasks
    from umi_lite.evals.bfcl.run import gold_outcomes, rates, run_tasks
    from umi_lite.evals.bounds import bounds_of
    from umi_lite.evals.measure import measured_with, what_runs
    from umi_lite.evals.stats import rate_table

    console = Console(stderr=json_)
    chosen = dict.fromkeys(category or DEFAULT)
    by: dict[str, Any] = {}
    asked = [task for name in chosen for task in tasks(name, n, seed).trajectories]
    if gold:
        title, outcomes = "possible answers", list(gold_outcomes(asked))
    else:
        opened = load_bundle(bundle)
        bounds = limits.bounds(opened.spec.bounds, bounds_of("bfcl"))
        sampling = sampling_options.sampling(opened.spec.sampling)
        made_by = what_runs(opened.path, opened.spec, roles.elsewhere) | {
            "single": roles.single, "bounds": asdict(bounds), "sampling": asdict(sampling),
        }  # fmt: skip
        title = "single" if roles.single else "roles"
        tasks_of = {"source": "bfcl", "n": n, "seed": seed, "temperature": sampling.temperature}
        by = {
            "measured": measured_with(opened.path, opened.spec, roles.elsewhere, **tasks_of)
            | {"single": roles.single}
        }
        with (
            roles.open(opened, slots, console) as engine,
            counting("bfcl", len(asked), "right", console) as count,
        ):
            outcomes = run_tasks(
                engine,
                asked,
                out,
                made_by=made_by,
                bounds=bounds,
                sampling=sampling,
                on_outcome=lambda outcome: count(outcome.ok),
            )
    found = rates(outcomes)
    if json_:
        rates_of = {name: rate.model_dump() for name, rate in found.items()}
        print_json(json.dumps({**rates_of, **by}))
    else:
        console.print(rate_table("bfcl", {title: found}))
