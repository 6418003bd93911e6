"""`umi eval judge`: an LLM's word on what cannot be verified otherwise."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.output import print_json


def judge(
    kind: Annotated[
        str,
        typer.Argument(help="toolalpaca (process and response), pass (solved?), win (which one?)"),
    ],
    traces: Annotated[
        Path, typer.Option(help="the episodes: a folder of traces, or trajectories as JSON lines")
    ],
    endpoint: Annotated[str, typer.Option(help="the judge: http://HOST:PORT/v1#MODEL")],
    out: Annotated[Path, typer.Option(help="every prompt and reply (.jsonl); gone on with")],
    against: Annotated[
        Path | None, typer.Option(help="win: the other system's episodes of the same tasks")
    ] = None,
    votes: Annotated[int, typer.Option(help="how often each question is put")] = 1,
    temperature: Annotated[float, typer.Option(help="of the judge; 0 is greedy")] = 0.0,
    parallel: Annotated[int, typer.Option(help="requests at once")] = 4,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="seconds without a byte from the endpoint")
    ] = 120.0,
    json_: Annotated[bool, typer.Option("--json", help="print the judgement as JSON")] = False,
) -> None:
    """Ask an OpenAI-compatible endpoint about finished episodes, and count its votes."""
    from rich.console import Console

    from umi_lite.evals.judge import Judge
    from umi_lite.evals.report import rate_table
    from umi_lite.local import judged
    from umi_lite.runtime.endpoint import Endpoint

    asking = Judge(Endpoint.parse(endpoint), votes, temperature, parallel, timeout=timeout)
    made = judged(kind, traces, against, asking, out)
    if json_:
        print_json(made.model_dump_json())
        return
    Console().print(rate_table(kind, {endpoint.partition("#")[2]: made.rates}))
    typer.echo(f"{made.votes} votes, {made.unreadable} of them unreadable · {out}")
