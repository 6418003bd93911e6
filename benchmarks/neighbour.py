"""Episodes with and without another program that keeps one core busy.

    python -m benchmarks.neighbour [BUNDLE] [--rounds 5] [--programs 1]

By default the embedded model without adapters plays all roles. Two set-ups alternate: the default
number of threads, and one thread per core whatever else runs. The other program is a bounded Python
loop, started after the engine is open and not pinned to a core. The last line is JSON.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BOUNDED = "import time; end = time.monotonic() + 300\nwhile time.monotonic() < end: pass"


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Run programs that keep one core each busy while the context is open."""
    started = [subprocess.Popen([sys.executable, "-c", BOUNDED]) for _ in range(programs)]
    time.sleep(0.3)  # until they loop
    try:
        yield
    finally:
        for program in started:
            program.kill()
            program.wait()


def opened(bundle: Path | None, how: Mapping):
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.engine.engine import Engine
    from umi_lite.protocol.trajectory import ROLES
    from umi_lite.weights.embedded import embedded_gguf

    if bundle is None:
        return Engine(embedded_gguf(), dict.fromkeys(ROLES), n_ctx=1024, **how)
    return load_bundle(bundle).engine(views=ROLES, n_ctx=1024, **how)


def episode(engine, task) -> tuple[float, int]:
    """Return the seconds and the generated tokens of one episode."""
    from umi_lite.agent.agent import Agent
    from umi_lite.evals.bounds import BOUNDS
    from umi_lite.evals.live import environment_of

    engine.forget()
    started = time.perf_counter()
    trace = Agent(engine, environment_of(task), BOUNDS).run(task)
    return time.perf_counter() - started, trace.tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=int, default=1)
    given = parser.parse_args()
    from benchmarks.episode import one_toolset
    from benchmarks.report import show
    from umi_lite.engine.machine import cores

    (task,) = one_toolset(1)
    setups = {"default": {}, "fixed threads": {"threads": cores()}}
    seconds: dict[str, list[float]] = {}
    tokens: dict[str, int] = {}
    for _ in range(given.rounds):
        for name, how in setups.items():
            for programs in (0, given.programs):
                row = f"{name}, {'alone' if not programs else f'{programs} busy'}"
                with opened(given.bundle, how) as engine:
                    engine.warm()
                    with busy(programs):
                        took, tokens[row] = episode(engine, task)
                seconds.setdefault(row, []).append(took)
    rows = {
        row: {
            "median s": round(statistics.median(took), 2),
            "least s": round(min(took), 2),
            "most s": round(max(took), 2),
            "tokens": tokens[row],
        }
        for row, took in seconds.items()
    }
    ratios = {}
    for name in setups:
        pair = zip(
            seconds[f"{name}, {given.programs} busy"], seconds[f"{name}, alone"], strict=True
        )
        ratios[f"{name}: busy/alone"] = round(statistics.median(b / a for b, a in pair), 2)
    pair = zip(seconds["default, alone"], seconds["fixed threads, alone"], strict=True)
    ratios["alone: default/fixed"] = round(statistics.median(a / b for a, b in pair), 2)
    load = os.getloadavg()[0]
    show(f"one episode, {given.rounds} rounds, load {load:.1f} at the end", rows, ratios, cores())


if __name__ == "__main__":
    main()
