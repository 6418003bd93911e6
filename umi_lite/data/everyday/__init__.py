"""Everyday, generated requests for the everyday tools, worded as people ask, calls really made.

`load` makes the trajectories; `environment` gives a task's tools again, untouched.
"""

import random

from umi_lite.data.everyday.goals import Split
from umi_lite.data.everyday.world import TOOLS, EverydayToolbox, World
from umi_lite.data.rows import Loaded
from umi_lite.data.source import Source
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

__all__ = ["SPLITS", "environment", "load"]

SPLITS: tuple[Split, ...] = ("train", "dev")


def load(split: Split = "train", n: int = 1000, seed: int = 0) -> Loaded:
    """Return n tasks of a split with gold trajectories, the same ones for the same seed.

    Args:
        split: `train`, or `dev` (other wordings, other values).

    Raises:
        UserError: unknown split, n below 1, or this machine cannot run the Python sandbox.
    """
    from umi_lite.data.everyday.tasks import PER_100, tasks_of
    from umi_lite.data.toolworld.families import apportion
    from umi_lite.data.toolworld.generate import distinct

    if split not in SPLITS:
        raise UserError(f"everyday has no split {split!r}; there are {', '.join(SPLITS)}")
    if n < 1:
        raise UserError(f"everyday: n is {n}; it must be 1 or more")
    kinds = apportion(PER_100, n)
    random.Random(f"everyday {split} {seed}").shuffle(kinds)
    streams = {kind: tasks_of(kind, split, seed) for kind in PER_100}
    return Loaded(distinct(kinds, streams))


def environment(task: Trajectory | None = None) -> EverydayToolbox:
    """Return fresh live tools of a task, in the state in which its gold calls began.

    Without a task they are all but those of a folder, in a world of their own.
    """
    if task is None:
        return EverydayToolbox(World(), TOOLS)
    return EverydayToolbox(World(**task.meta["world"]), [tool.name for tool in task.tools])


SOURCE = Source(
    about="generated requests for the everyday tools, as people ask (split, n, seed)",
    load=load,
    tools=environment,
    apart=True,
)
