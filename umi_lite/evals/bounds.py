"""Default bounds of an evaluation; options and the bundle override them."""

from collections.abc import Iterable
from dataclasses import replace

from umi_lite.agent.bounds import Bounds, widest
from umi_lite.data import SOURCES
from umi_lite.data.load import find_source
from umi_lite.protocol.trajectory import Trajectory

# Tighter than an agent's: an untrained model that rambles costs time and gains nothing. The
# wall time is ample, so that a score does not depend on how busy the machine is.
BOUNDS = Bounds(
    max_calls=6,
    max_thought_chars=200,
    max_thought_tokens=96,
    max_call_tokens=96,
    max_answer_tokens=96,
    max_seconds=1800.0,
)


def bounds_of(source: str) -> Bounds:
    """Return the bounds of a source's tasks (`Source.bounds`)."""
    return replace(BOUNDS, **find_source(source).bounds) if source in SOURCES else BOUNDS


def bounds_for(tasks: Iterable[Trajectory]) -> Bounds:
    """Return bounds that hold the gold turns of all the tasks' sources."""
    return widest([BOUNDS, *map(bounds_of, {task.source for task in tasks})])
