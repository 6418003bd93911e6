"""Wild, thousands of generated tools in many domains, with tasks that `data.synth` makes."""

from collections.abc import Mapping
from dataclasses import replace

from umi_lite.data.rows import Loaded
from umi_lite.data.source import Source
from umi_lite.data.synth.catalog import catalog_of
from umi_lite.data.synth.generate import generate
from umi_lite.data.synth.plans import KINDS_OF_TASKS, Mix
from umi_lite.data.synth.pools import SPLITS, Split
from umi_lite.data.synth.simulate import Simulator, World, environment
from umi_lite.data.wild.apart import belongs
from umi_lite.data.wild.catalog import tools_of
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

__all__ = ["SPLITS", "environment_of", "everything", "load"]

NAME = "wild"


def load(
    split: Split = "train", n: int = 1000, seed: int = 0, shares: Mapping[str, int] | None = None
) -> Loaded:
    """Return n verified tasks of a split with gold trajectories, the same ones for the same seed.

    Args:
        split: `train`, `dev` or `test`: no domain, no tool's name and no eight words in a row of
            an instruction are in two of them.
        shares: kinds of tasks with their shares, in parts of their sum; default those of
            `synth.plans.Mix`.

    Raises:
        UserError: unknown split or kind of task, n or a share below 1.
    """
    if split not in SPLITS:
        raise UserError(f"wild has no split {split!r}; there are {', '.join(SPLITS)}")
    if n < 1:
        raise UserError(f"wild: n is {n}; it must be 1 or more")
    made: list[Trajectory] = []
    tasks = generate(
        tools_of(split), seed=seed, count=2 * n + 100, split=split, mix=_mix(shares), source=NAME
    )
    for task in tasks:
        if belongs(task.instruction, split):
            made.append(task)
            if len(made) == n:
                break
    return Loaded(made)


def _mix(shares: Mapping[str, int] | None) -> Mix:
    if shares is None:
        return Mix()
    if not shares:
        raise UserError("wild: shares names no kind of task")
    for kind, share in shares.items():
        if kind not in KINDS_OF_TASKS:
            known = ", ".join(KINDS_OF_TASKS)
            raise UserError(f"wild: shares has no kind {kind!r}; there are {known}")
        if share < 1:
            raise UserError(f"wild: the share of {kind} is {share}; it must be 1 or more")
    return replace(Mix(), **{**dict.fromkeys(KINDS_OF_TASKS, 0), **shares})


def environment_of(task: Trajectory | None = None) -> Simulator:
    """Return fresh simulated tools of a task; without one, all of the split `test`."""
    return environment(task) if task is not None else everything("test")


def everything(split: Split, task: Trajectory | None = None) -> Simulator:
    """Return fresh simulated tools of a whole split, hundreds of them, in one world.

    Args:
        task: a task of this split whose world it is; what its own tools are is unchanged, and
            `state` reports the same for it. Default a world of its own.
    """
    catalog = catalog_of(tools_of(split), 0, split)
    tools = {name: made.tool for name, made in catalog.tools.items()}
    actions = [name for name, made in catalog.tools.items() if made.verb != "query"]
    world = World(0, split, "2026-01-15", catalog.returns, catalog.pairs, actions)
    if task is not None:
        own = World.of(task.meta["world"])
        returns = {**catalog.returns, **own.returns}
        world = replace(own, returns=returns)
        tools |= {tool.name: tool for tool in task.tools}
    return Simulator(list(tools.values()), world)


SOURCE = Source(
    about="generated tasks over thousands of simulated tools (split, n, seed, shares)",
    load=load,
    tools=environment_of,
    judge="umi_lite.data.synth.check:judge",
    apart=True,
    # Answers to four requests have up to 150 tokens.
    bounds={"max_answer_tokens": 224},
)
