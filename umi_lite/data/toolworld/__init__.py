"""Toolworld, a generated world of small local tools and tasks with verifiable answers.

`load` makes trajectories whose gold calls were really made; `environment` gives the same
tools again, untouched, so that an agent can be run and scored on a task.
"""

from umi_lite.data.rows import Loaded
from umi_lite.data.source import GIVE_UP, Source
from umi_lite.data.toolworld.pools import SPLITS, Split
from umi_lite.data.toolworld.toolbox import TOOLSETS, WorldToolbox
from umi_lite.data.toolworld.world import World
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

__all__ = ["GIVE_UP", "SPLITS", "environment", "load"]


def load(split: Split = "train", n: int = 1000, seed: int = 0) -> Loaded:
    """Return n tasks of a split with gold trajectories, the same ones for the same seed.

    Args:
        split: `train`; `test` (the same families and tools, new values); `ood` (families,
            tools, wordings and give-ups that `train` never has).

    Raises:
        UserError: unknown split, or n below 1.
    """
    # A toolset of live tools needs none of it.
    from umi_lite.data.toolworld.families import PER_100, schedule, tasks_of
    from umi_lite.data.toolworld.generate import distinct, fits

    if split not in SPLITS:
        raise UserError(f"toolworld has no split {split!r}; there are {', '.join(SPLITS)}")
    if n < 1:
        raise UserError(f"toolworld: n is {n}; it must be 1 or more")
    streams = {
        # Another seed for each kind, so that no two streams share a world.
        kind: fits(tasks_of(kind, split, seed), split, kind, seed)
        for kind in PER_100
    }
    return Loaded(distinct(schedule(split, n, seed), streams))


def environment(task: Trajectory | None = None) -> WorldToolbox:
    """Return fresh live tools of a task, in the state in which its gold calls began.

    Without a task they are five tools of an untouched world, to try an agent with.
    """
    if task is None:
        return WorldToolbox(World("test", 0, frozenset()), TOOLSETS[8])
    meta = task.meta
    world = World(meta["split"], meta["world_seed"], frozenset(meta["broken"]))
    return WorldToolbox(world, [tool.name for tool in task.tools])


SOURCE = Source(
    about="generated tasks over small local tools that really run (split, n, seed)",
    load=load,
    tools=environment,
    apart=True,
)
