"""`python -m benchmarks batch`: tokens per second and episodes per minute by concurrent episodes.

Prefill and generation are measured separately: a batch reads the weights once for all tokens
generated in it, while a prompt is evaluated at the processor's speed either way.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ablations
from benchmarks.report import ratio, show
from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import Bundle
from umi_lite.data import toolworld
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.live import environment_of

if TYPE_CHECKING:
    from rich.console import Console

FORMS = ("adapters", "merged")


def bench(
    bundle: Bundle,
    console: "Console",
    *,
    episodes: int,
    rounds: int,
    at_once: Sequence[int],
    n_ctx: int = 1024,
) -> None:
    """Run the same held-out tasks at each concurrency, with adapters and with merged weights.

    A single episode at a time also runs without drafts: `same answers` counts the answers that
    agree with it, for the same weights. Set-ups alternate; a row has the medians of the rounds.
    """
    tasks = toolworld.load("test", episodes, 1).trajectories
    # Sorted as in `evals.live`: consecutive tasks share their docs.
    tasks = sorted(tasks, key=lambda task: [tool.name for tool in task.tools])
    plain = ablations.undrafted(bundle)
    plans = {
        name: (form, which, slots)
        for form in FORMS
        for name, which, slots in [
            (f"{form} x1, no drafts", plain, 1),
            *((f"{form} x{slots}", bundle, slots) for slots in at_once),
        ]
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in plans}
    alone: dict[str, list[str | None]] = {}
    threads = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, (form, which, slots) in plans.items():
                console.print(name, highlight=False)
                merge_into = Path(folder) if form == "merged" else None
                with which.engine(merge_into=merge_into, slots=slots, n_ctx=n_ctx) as engine:
                    threads = engine.threads
                    jobs = [Job.replay(task, environment_of(task)) for task in tasks]
                    started = time.perf_counter()
                    traces = run_many(engine, jobs, bounds=BOUNDS)
                    seconds = time.perf_counter() - started
                answers = [trace.answer for trace in traces]
                same = alone.setdefault(form, answers)
                runs[name].append(
                    {
                        **_speeds(traces, seconds),
                        "same answers": sum(a == b for a, b in zip(answers, same, strict=True)),
                    }
                )
    rows = {
        name: {what: round(statistics.median(run[what] for run in made), 1) for what in made[0]}
        for name, made in runs.items()
    }
    ratios = {
        f"{form} x{slots}/{one}, {what}": ratio(
            rows[f"{form} x{slots}"][what], rows[f"{form} {one}"][what]
        )
        for form in FORMS
        for one in ("x1, no drafts", *(f"x{slots}" for slots in at_once if slots == 1))
        for slots in at_once
        if slots > 1
        for what in ("episodes/min", "generated/s")
    }
    show(f"{len(tasks)} held-out tasks, medians of {rounds}", rows, ratios, threads)


def _speeds(traces: Sequence[Trace], seconds: float) -> dict[str, float]:
    """Return episodes per minute, and tokens per second of the time spent on each kind of work."""
    turns = [turn for trace in traces for turn in trace.turns]
    read = sum(turn.prefill_seconds for turn in turns)
    wrote = sum(turn.decode_seconds for turn in turns)
    return {
        "seconds": seconds,
        "episodes/min": 60 * len(traces) / seconds,
        "read": sum(turn.evaluated for turn in turns),
        "read/s": sum(turn.evaluated for turn in turns) / read,
        "generated": sum(turn.generated for turn in turns),
        "generated/s": sum(turn.generated for turn in turns) / wrote,
    }
