"""`umi bench batch`: tokens a second and episodes a minute, so many episodes at once."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.bench.report import ratio, show
from umi_lite.data import toolworld
from umi_lite.evals.live import BOUNDS, environment_of
from umi_lite.export.bundle import Bundle
from umi_lite.runtime.agent import Job, run_many

if TYPE_CHECKING:
    from rich.console import Console

AT_ONCE = (1, 2, 4, 8, 16)


def bench(bundle: Bundle, console: "Console", *, episodes: int = 32, n_ctx: int = 1024) -> None:
    """Run the same held-out tasks at each number, on adapters and on folded weights.

    `same answers` is counted against one episode at a time on the same weights.
    """
    tasks = toolworld.load("test", episodes, 1).trajectories
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
                tokens = sum(trace.tokens for trace in traces)
                answers = [trace.answer for trace in traces]
                alone = alone or answers
                rows[f"{form} x{slots}"] = {
                    "seconds": round(seconds, 2),
                    "tokens": tokens,
                    "tokens/s": round(tokens / seconds, 1),
                    "episodes/min": round(60 * episodes / seconds, 1),
                    "same answers": sum(a == b for a, b in zip(answers, alone, strict=True)),
                }
    ratios = {
        f"{form} x{slots}/x1, tokens/s": ratio(
            rows[f"{form} x{slots}"]["tokens/s"], rows[f"{form} x1"]["tokens/s"]
        )
        for form in ("adapters", "folded")
        for slots in AT_ONCE[1:]
    }
    show(f"{episodes} held-out tasks", rows, ratios, threads)
