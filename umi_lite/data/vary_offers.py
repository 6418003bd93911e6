"""Trajectories whose tools are not in the system message: read with the instruction, or searched.

An agent with many tools reads the docs of few (`agent.offers`): this trains its roles on that.
"""

import random

from umi_lite.data.synth.names import words_of
from umi_lite.protocol.roles import SEARCH_TOOL
from umi_lite.protocol.trajectory import Call, Observation, Offer, Plan, Step, Tool, Trajectory

_THOUGHTS = (
    "No tool here can {need}: search for one.",
    "Search for a tool to {need}.",
    "None of these tools can {need}, look for another.",
)
_MOST_FOUND = 4
_MOST_WORDS = 8


def offered(rng: random.Random, trajectory: Trajectory, *, search: bool) -> Trajectory:
    """Return a trajectory whose tools are offered with the instruction.

    Args:
        search: True hides the tool of one call, and some others, until a search before that call
            finds them. Without a call, or where a tool is named as the search is, there is none.
    """
    names = [tool.name for tool in trajectory.tools]
    if SEARCH_TOOL.name in names:
        return trajectory
    calls = [
        (at, step.tool)
        for at, step in enumerate(trajectory.steps)
        if isinstance(step, Call) and step.tool in names and at and _is_plan(trajectory, at - 1)
    ]
    firsts = [(at, name) for at, name in calls if name not in {n for a, n in calls if a < at}]
    if not search or not firsts:
        return _with(trajectory, (_offer(trajectory.tools), *trajectory.steps))
    at, hidden = rng.choice(firsts)
    earlier = {name for before, name in calls if before < at}
    spare = [name for name in names if name not in earlier and name != hidden]
    found = {hidden, *rng.sample(spare, min(len(spare), rng.randrange(_MOST_FOUND)))}
    late = rng.sample([tool for tool in trajectory.tools if tool.name in found], len(found))
    early = tuple(tool for tool in trajectory.tools if tool.name not in found)
    need = _need(next(tool for tool in trajectory.tools if tool.name == hidden))
    searched: tuple[Step, ...] = (
        Plan(thought=rng.choice(_THOUGHTS).format(need=need), next="caller"),
        Call(tool=SEARCH_TOOL.name, arguments={"need": need}),
        Observation(content=f"found {', '.join(tool.name for tool in late)}"),
        _offer(tuple(late)),
    )
    # Before the plan of the call.
    steps = (*trajectory.steps[: at - 1], *searched, *trajectory.steps[at - 1 :])
    return _with(trajectory, (_offer(early), *steps) if early else steps)


def in_system(trajectory: Trajectory) -> Trajectory:
    """Return a trajectory that `offered` changed with all its tools in the system message."""
    if trajectory.tools != (SEARCH_TOOL,):
        return trajectory
    steps = list(trajectory.steps)
    for at, step in reversed(list(enumerate(steps))):
        if isinstance(step, Call) and step.tool == SEARCH_TOOL.name:
            del steps[at - 1 : at + 2]
    kept = tuple(step for step in steps if not isinstance(step, Offer))
    tools = tuple(tool for tool in trajectory.offered if tool != SEARCH_TOOL)
    return trajectory.model_copy(update={"tools": tools, "steps": kept})


def _need(tool: Tool) -> str:
    """Return what a tool does, by its description, else by its name."""
    said = tool.description.partition(". ")[0].rstrip(".").split()[:_MOST_WORDS]
    words = said or words_of(tool.name) or (tool.name,)
    return " ".join((words[0].lower(), *words[1:]))


def _is_plan(trajectory: Trajectory, at: int) -> bool:
    return isinstance(trajectory.steps[at], Plan)


def _with(trajectory: Trajectory, steps: tuple[Step, ...]) -> Trajectory:
    return trajectory.model_copy(update={"tools": (SEARCH_TOOL,), "steps": steps})


def _offer(tools: tuple[Tool, ...]) -> Offer:
    return Offer(tools=tools)
