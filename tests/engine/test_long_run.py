"""A process that runs for days: its memory does not grow with the episodes.

500 of them, 1,000 in `make study`.
"""

from pathlib import Path

import pytest
from studies import STUDY
from test_engine import TOOLS, task

from benchmarks.shapes import Shape, write_model
from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.episode import Bounds
from umi_lite.engine.engine import Engine

EPISODES = 1000 if STUDY else 500
BOUNDS = Bounds(max_calls=2, max_thought_chars=12, max_call_tokens=24, max_answer_tokens=4)


def resident() -> int:
    """This process's resident set in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights: what leaks does so at any size."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    write_model(Shape(width=128, layers=2, heads=2, kv_heads=1, inner=256), path)
    return path


def test_memory_grows_by_less_than_two_percent_after_the_first_hundred(small: Path) -> None:
    views = ("planner", "caller", "summarizer")
    with Engine(small, dict.fromkeys(views), n_ctx=512, slots=8) as engine:
        sizes = []
        for hundred in range(EPISODES // 100):
            jobs = [Job(task(f"Weather number {hundred} {n}?"), TOOLS) for n in range(90)]
            traces = run_many(engine, jobs, bounds=BOUNDS)
            traces += [Agent(engine, TOOLS, BOUNDS).run(f"Note {n}.") for n in range(10)]
            assert len({trace.trajectory.instruction for trace in traces}) == 100
            sizes.append(resident())
    assert sizes[-1] < 1.02 * sizes[0], sizes
