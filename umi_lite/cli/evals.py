"""`umi eval`: live and simulated tasks, gold dialogues step by step, judged and graded answers."""

from collections.abc import Callable
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
from umi_lite.errors import UserError
from umi_lite.sandbox.text import visible


def live(source: str, about: str, **defaults: Any) -> Callable[..., None]:
    """Return the command that runs a source's tasks.

    Args:
        about: what is measured, for `--help`.
        defaults: options of the source, each used unless the command line sets it.
    """

    def command(
        bundle: BundleOption = DEFAULT_BUNDLE,
        split: Annotated[
            str | None, typer.Option(help="split: test (default), ood (toolworld) or dev (wild)")
        ] = None,
        path: Annotated[
            Path | None, typer.Option(help="the source's file, if it takes one")
        ] = None,
        n: Annotated[int, typer.Option("-n", "--n", help="number of tasks")] = 100,
        seed: Annotated[int | None, typer.Option(help="seed of generated tasks; default 1")] = None,
        slots: Annotated[int, typer.Option(help="concurrent episodes")] = 16,
        majority: Annotated[
            int,
            typer.Option(help="episodes per task; the most frequent answer counts (math, gsm8k)"),
        ] = 1,
        traces: Annotated[
            Path | None, typer.Option(help="output folder for each episode's trace")
        ] = None,
        json_: Annotated[
            bool, typer.Option("--json", help="full report as JSON on stdout")
        ] = False,
        *,
        limits: Limits,
        sampling_options: SamplingOptions,
        roles: Roles,
    ) -> None:
        import json

        from rich.console import Console

        from umi_lite.bundle.bundle import load_bundle
        from umi_lite.evals.bounds import bounds_of
        from umi_lite.evals.majority import check_majority
        from umi_lite.evals.measure import load_tasks, measure, measured_with
        from umi_lite.evals.stats import rate_table

        asked = {"split": split, "path": path, "seed": seed, "n": n}
        options = defaults | {key: value for key, value in asked.items() if value is not None}
        tasks = load_tasks(source, **options)
        title = " · ".join([source, *([options["split"]] if "split" in options else [])])
        console = Console(stderr=json_)
        opened = load_bundle(bundle)
        bounds = limits.bounds(opened.spec.bounds, bounds_of(source))
        sampling = sampling_options.sampling(opened.spec.sampling)
        if majority != 1:
            check_majority(tasks, majority, sampling)
        with roles.open(opened, slots, console) as engine:
            score = measure(
                engine,
                tasks,
                title,
                console,
                bounds=bounds,
                sampling=sampling,
                majority=majority,
                traces=traces,
            )
        if json_:
            drawn = {
                "temperature": sampling.temperature,
                "votes": sampling.votes,
                "copy_bias": sampling.copy_bias,
            }
            asked = {"source": source, **options, **drawn}
            by = measured_with(opened.path, opened.spec, roles.elsewhere, **asked)
            print_json(json.dumps({"measured": by, **score.report()}))
        else:
            console.print(rate_table(title, {"success": score.rates()}))

    command.__doc__ = f"Measure {about}."
    return with_groups(command)


@with_groups
def static(
    gold: Annotated[
        Path, typer.Option(help="gold dialogues: a JSON list of {tools, conversations}")
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(help="predictions to score, one JSON line per gold step; no model runs"),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", "-b", help="bundle that predicts each step from the gold history"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="output file of the bundle's predictions")
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", "--n", help="number of dialogues, from the first; default all"),
    ] = None,
    slots: Annotated[int, typer.Option(help="concurrent dialogues")] = 8,
    json_: Annotated[
        bool, typer.Option("--json", help="report as one JSON object on the last line")
    ] = False,
    *,
    roles: Roles,
) -> None:
    """Score steps against gold dialogues.

    The metrics are Plan ACC, Act. EM, Hallu., Arg. F1 and R-L.
    """
    import json

    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.evals.measure import measured_with, predict_static
    from umi_lite.evals.static import score, static_notes, static_table
    from umi_lite.evals.static_files import load_gold, read_predictions, write_predictions

    console = Console(stderr=json_)
    known = load_gold(gold, n)
    by: dict[str, Any] = {}
    if bundle is None:
        if predictions is None:
            raise UserError("nothing to score: give --predictions FILE or --bundle FOLDER")
        scored = score(known, read_predictions(predictions, known))
    else:
        if predictions is not None:
            raise UserError("--predictions and --bundle: give one of them")
        opened = load_bundle(bundle)
        with roles.open(opened, slots, console) as engine:
            forced = predict_static(engine, known, console)
        asked = {"source": "static", "path": gold, "n": n}
        by = {"measured": measured_with(opened.path, opened.spec, roles.elsewhere, **asked)}
        if out is not None:
            write_predictions(out, forced.predictions)
        scored = score(known, forced.predictions, [fault.reason for fault in forced.missing])
    if json_:
        print_json(json.dumps({**by, **scored.report()}))
    else:
        console.print(static_table(scored))
        for note in static_notes(scored):
            console.out(visible(note), style="dim", highlight=False)


def grade(
    jsonl: Annotated[
        Path, typer.Option(help='file of lines {"pred": …, "gold": …}, each text or a number')
    ],
) -> None:
    """Grade MATH answers of a file.

    Prints one line {"equal": true or false} per line of the file.
    """
    import json

    from umi_lite.evals.math.grade import grades

    for same in grades(jsonl):
        print(json.dumps({"equal": same}), flush=True)


@with_groups
def simulated(
    source: Annotated[str, typer.Argument(help="source of the tasks, e.g. toolalpaca")],
    path: Annotated[Path, typer.Option(help="the source's file")],
    simulator: Annotated[
        str,
        typer.Option(help="endpoint of the LLM that plays the tools: http://HOST:PORT/v1#MODEL"),
    ],
    out: Annotated[Path, typer.Option(help="trace folder; an existing one is resumed")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    n: Annotated[int, typer.Option("-n", "--n", help="number of tasks")] = 100,
    slots: Annotated[int, typer.Option(help="concurrent episodes")] = 8,
    *,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Run tasks whose tools an LLM simulates.

    The traces are input for umi eval judge.
    """
    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.console import counting
    from umi_lite.engine.client import TIMEOUT, Endpoint
    from umi_lite.evals.measure import load_tasks
    from umi_lite.evals.simulated import ANSWERING, Simulator, play_simulated

    played = Simulator(Endpoint.parse(simulator), timeout=roles.timeout or TIMEOUT)
    tasks = load_tasks(source, path=path, n=n)
    console = Console()
    opened = load_bundle(bundle)
    bounds = limits.bounds(opened.spec.bounds, ANSWERING)
    sampling = sampling_options.sampling(opened.spec.sampling)
    with (
        roles.open(opened, slots, console) as engine,
        counting(source, len(tasks), "done", console) as count,
    ):
        play_simulated(
            engine,
            tasks,
            played,
            out,
            bounds=bounds,
            sampling=sampling,
            on_end=lambda: count(True),
        )
    typer.echo(f"{len(tasks)} traces in {out}; next: umi eval judge KIND --traces {out}")


def judge(
    kind: Annotated[
        str,
        typer.Argument(
            help="verdict: toolalpaca (process and response), pass (solved?) or win (which one?)"
        ),
    ],
    traces: Annotated[
        Path, typer.Option(help="episodes: a folder of traces, or trajectories as JSON lines")
    ],
    endpoint: Annotated[str, typer.Option(help="endpoint of the judge: http://HOST:PORT/v1#MODEL")],
    out: Annotated[
        Path,
        typer.Option(help="file of all prompts and replies (.jsonl); an existing one is resumed"),
    ],
    against: Annotated[
        Path | None, typer.Option(help="the other system's episodes of the same tasks (win)")
    ] = None,
    votes: Annotated[int, typer.Option(help="votes per question")] = 1,
    temperature: Annotated[
        float, typer.Option(help="the judge's sampling temperature; 0 is greedy")
    ] = 0.0,
    parallel: Annotated[int, typer.Option(help="concurrent requests")] = 4,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="maximum seconds without a byte from the endpoint")
    ] = 120.0,
    json_: Annotated[bool, typer.Option("--json", help="judgement as JSON on stdout")] = False,
) -> None:
    """Let an LLM judge finished episodes.

    Its votes and replies are kept in --out, so a killed run resumes.
    """
    from rich.console import Console

    from umi_lite.engine.client import Endpoint
    from umi_lite.evals.judge import Judge
    from umi_lite.evals.stats import rate_table
    from umi_lite.evals.verdicts import judged

    asking = Judge(Endpoint.parse(endpoint), votes, temperature, parallel, timeout=timeout)
    made = judged(kind, traces, against, asking, out)
    if json_:
        print_json(made.model_dump_json())
        return
    Console().print(rate_table(kind, {endpoint.partition("#")[2]: made.rates}))
    typer.echo(f"{made.votes} votes, {made.unreadable} of them unreadable · {out}")
