"""The cost of three local jobs: activated adapters next to continued ones.

    python -m benchmarks.activated            (the quickstart's recipe; 30 minutes on two cores)
    python -m benchmarks.activated --n 48 --rounds 1
    python -m benchmarks.activated --n 8 --rounds 1 --tools 24      (long contexts, short turns)

One global adapter is trained for two steps; then, in each round, the three local jobs run over it
in both ways, each in its own process: every row once, so the trained tokens are the same. Seconds
are of the steps alone (loading the base, the same for both, is left out), on the clock and of the
processor, which counts where other programs run. The last line is JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import ratio, show
from umi_lite.protocol.trajectory import ROLES
from umi_lite.recipe.schema import load_recipe
from umi_lite.train.progress import Silent

WAYS = ("activated", "continued")
STAGE = "stages.local"


class Clock(Silent):
    """Seconds of the jobs' steps, from the line before a job's first one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.busy: dict[str, float] = {}
        self._begun = self._used = 0.0

    def note(self, text: str) -> None:
        if "parameters trained" in text:
            self._begun, self._used = time.perf_counter(), time.process_time()

    def step(self, job: str, tokens: int, text: str) -> None:
        self.seconds[job] = time.perf_counter() - self._begun
        self.busy[job] = time.process_time() - self._used


def recipe_of(way: str, n: int, options: list[str]) -> Any:
    """Return the quickstart's recipe with `n` trajectories, each of a role's rows once.

    Activated adapters have the layers of the variant `activated`.
    """
    jobs = [f"{STAGE}.{role}.max_steps=100000" for role in ROLES]
    changes = [f"data.0.n={n}", "stages.global.max_steps=2", "backend=plain", *jobs]
    changes += [f"{STAGE}.adapters={way}", *options]
    variant = "activated" if way == "activated" else None
    return load_recipe("toolworld/smollm2-135m", changes, variant=variant)


def child(root: Path) -> None:
    """Train a run's local jobs and print what they took."""
    from umi_lite.train.device import peak_memory
    from umi_lite.train.run_dir import RunDir, read_metrics
    from umi_lite.train.trainer import train

    clock = Clock()
    train(None, root, resume=True, reporter=clock)
    run = RunDir(root)
    trained = {role: read_metrics(run.metrics(role))[-1]["trained_tokens"] for role in ROLES}
    print(
        json.dumps(
            {
                "seconds": sum(clock.seconds[role] for role in ROLES),
                "processor": sum(clock.busy[role] for role in ROLES),
                "by role": {role: round(clock.busy[role], 1) for role in ROLES},
                "peak, MiB": peak_memory() >> 20,
                "trained tokens": sum(trained.values()),
            }
        )
    )


def measure(way: str, before: Path, work: Path, n: int, options: list[str]) -> dict[str, Any]:
    root = work / way
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(before, root)
    (root / "recipe.yaml").write_text(recipe_of(way, n, options).to_yaml())
    command = [sys.executable, "-m", "benchmarks.activated", "--child", str(root)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(way, found, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=96, help="trajectories")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", type=int, help="tools of a trajectory; default its own, 5")
    parser.add_argument("-o", action="append", default=[], help="a change of the recipe")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    size = given.tools
    many = [f"data.0.vary.company=[{size},{size}]", "max_length=4096"] if size else []
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(Path(folder), given.n, given.rounds, many + given.o)
    one, other = (rows[way] for way in WAYS)
    names = ("seconds", "processor", "peak, MiB", "trained tokens")
    ratios = {f"{name}: activated/continued": ratio(one[name], other[name]) for name in names}
    show("three local jobs", rows, ratios, int(os.environ.get("OMP_NUM_THREADS", "0")))


def compare(work: Path, n: int, rounds: int, options: list[str]) -> dict[str, dict[str, float]]:
    from umi_lite.train.run_dir import RunDir
    from umi_lite.train.trainer import train

    first = recipe_of("continued", n, options)
    stages = first.stages.model_copy(update={"local": None})
    train(first.model_copy(update={"stages": stages}), work / "global")
    assert RunDir(work / "global").is_done("global")
    made: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            made[way].append(measure(way, work / "global", work, n, options))
    columns = ("seconds", "processor", "peak, MiB", "trained tokens")
    return {
        way: {name: round(statistics.median(one[name] for one in every), 1) for name in columns}
        for way, every in made.items()
    }


if __name__ == "__main__":
    main()
