"""`umi bench batch`: tokens a second and episodes a minute, so many episodes at once.

Reading prompts and generating are told apart: a batch shares the reading of the weights among
the tokens generated in it, and prompts are read at the processor's speed either way.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.bench.report import ratio, show
from umi_lite.data import toolworld
from umi_lite.evals.live import BOUNDS, environment_of
from umi_lite.export.bundle import Bundle
from umi_lite.runtime.agent import Job, run_many
from umi_lite.runtime.trace import Trace

if TYPE_CHECKING:
    from rich.console import Console

AT_ONCE = (1, 2, 4, 8, 16)


def bench(bundle: Bundle, console: "Console", *, episodes: int = 32, n_ctx: int = 1024) -> None:
    """Run the same held-out tasks at each number, on adapters and on folded weights.

    `same answers` is counted against one episode at a time on the same weights.
    """
    tasks = toolworld.load("test", episodes, 1).trajectories
    # As `evals.live` has them: neighbours share their docs.
    tasks = sorted(tasks, key=lambda task: [tool.name for tool in task.tools])
    rows: dict[str, dict[str, float | int]] = {}
    threads = 0
    with tempfile.TemporaryDirectory() as folder:
        for form, fold_into in (("adapters", None), ("folded", Path(folder))):
            alone: list[str | None] = []
            for slots in AT_ONCE:
                console.print(f"{form}, {slots} at once", highlight=False)
                with bundle.engine(fold_into=fold_into, slots=slots, n_ctx=n_ctx) as engine:
                    threads = engine.threads
                    jobs = [Job.replay(task, environment_of(task)) for task in tasks]
                    started = time.perf_counter()
                    traces = run_many(engine, jobs, bounds=BOUNDS)
                    seconds = time.perf_counter() - started
                answers = [trace.answer for trace in traces]
                alone = alone or answers
                rows[f"{form} x{slots}"] = {
                    "seconds": round(seconds, 2),
                    **_speeds(traces, seconds),
                    "same answers": sum(a == b for a, b in zip(answers, alone, strict=True)),
                }
    ratios = {
        f"{form} x{slots}/x1, {what}": ratio(
            rows[f"{form} x{slots}"][what], rows[f"{form} x1"][what]
        )
        for form in ("adapters", "folded")
        for slots in AT_ONCE[1:]
        for what in ("episodes/min", "generated/s")
    }
    show(f"{episodes} held-out tasks", rows, ratios, threads)


def _speeds(traces: Sequence[Trace], seconds: float) -> dict[str, float]:
    """Episodes a minute in all; tokens a second of the time that each kind of work took."""
    turns = [turn for trace in traces for turn in trace.turns]
    read = sum(turn.prefill_seconds for turn in turns)
    wrote = sum(turn.decode_seconds for turn in turns)
    return {
        "episodes/min": round(60 * len(traces) / seconds, 1),
        "read": sum(turn.evaluated for turn in turns),
        "read/s": round(sum(turn.evaluated for turn in turns) / read, 1),
        "generated": sum(turn.generated for turn in turns),
        "generated/s": round(sum(turn.generated for turn in turns) / wrote, 1),
    }
