"""Speed of a bundle on this machine: seconds per episode, tokens per second, memory."""

import resource
import statistics
import sys
import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from umi_lite.agent.agent import Agent
from umi_lite.engine.request import RoleEngine
from umi_lite.evals.bounds import bounds_of
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import Trajectory


class Speed(BaseModel):
    """Measurements of episodes that ran one after the other.

    Attributes:
        first_seconds: the first episode, which reads the tool docs.
        later_seconds: the median of the others, or None.
        generated_tokens_per_second: of the tokens that the roles wrote, reading included.
        peak_memory_mb: peak resident memory of this process, in MB (10^6 bytes).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes: int
    first_seconds: float
    later_seconds: float | None
    evaluated_tokens: int
    generated_tokens: int
    generated_tokens_per_second: float
    peak_memory_mb: float


def measure_speed(engine: RoleEngine, tasks: Sequence[Trajectory]) -> Speed:
    """Run the tasks one after the other, greedily.

    Args:
        tasks: at least one.
    """
    seconds: list[float] = []
    evaluated = generated = 0
    for task in tasks:
        agent = Agent(engine, environment_of(task), bounds_of("toolworld"))
        started = time.perf_counter()
        trace = agent.run(task)
        seconds.append(time.perf_counter() - started)
        evaluated += sum(turn.evaluated for turn in trace.turns)
        generated += trace.generated
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Speed(
        episodes=len(seconds),
        first_seconds=round(seconds[0], 3),
        later_seconds=round(statistics.median(seconds[1:]), 3) if seconds[1:] else None,
        evaluated_tokens=evaluated,
        generated_tokens=generated,
        generated_tokens_per_second=round(generated / sum(seconds), 1),
        peak_memory_mb=round(peak / 1e6, 1),
    )
