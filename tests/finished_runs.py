"""Runs of a table as they are when finished, with an outcome that the test chooses."""

import json
from pathlib import Path

from umi_lite.reproduce.results import DONE
from umi_lite.reproduce.table import Planned
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir

MADE = {"date": "2026-11-30", "system": "Linux", "cpu": "a CPU", "cores": 4}


def finish(run: Planned, out: Path, solved: int) -> None:
    """Write what a finished run leaves: metrics, scores of ten tasks, a bundle's list of files."""
    folder = RunDir(out / run.name)
    folder.create(run.recipe)
    for job in plan(run.recipe):
        folder.adapter(job.name).mkdir(parents=True)
        records = [
            {
                "step": step,
                "loss": 2.0 / step,
                "tokens": 500 * step,
                "trained_tokens": 100 * step,
                "seconds": 3.0 * step,
                "peak_memory": 10**9 + step,
            }
            for step in range(1, 11)
        ]
        folder.metrics(job.name).write_text("".join(json.dumps(r) + "\n" for r in records))
    tasks = [{"id": f"task-{i}", "ok": i < solved, "tokens": 40} for i in range(10)]
    splits = {"test": {"results": tasks}, "ood": {"results": tasks[8:]}}
    (folder.root / "scores.json").write_text(json.dumps({"seconds": 24.0, "splits": splits}))
    views = {v: {"sha256": j, "size": 10**7} for v, j in run.recipe.stages.speakers().items()}
    (folder.root / "bundle").mkdir()
    (folder.root / "bundle" / "bundle.json").write_text(json.dumps({"views": views}))
    (folder.root / DONE).write_text(json.dumps({**MADE, "threads": 1 + run.seed}))
