"""The tools that varied trajectories offer: those that they need, among others that cannot do it.

What is offered must not show whether a tool fits, so a trajectory that no tool fits gets company
as the others do: of tools that have no word in common with its request.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from umi_lite.data.synth.names import content_words, singular
from umi_lite.protocol.trajectory import Call, Plan, Tool, Trajectory

_ALONE = 0.4
_OPEN = 8  # groups that a trajectory may join


def pool_of(trajectories: Iterable[Trajectory]) -> dict[str, Tool]:
    """Return the tools of trajectories by name: the first of each name."""
    found: dict[str, Tool] = {}
    for trajectory in trajectories:
        for tool in trajectory.tools:
            found.setdefault(tool.name, tool)
    return found


def groups_of(trajectories: Sequence[Trajectory], size: int) -> list[list[Trajectory]]:
    """Return groups of at most `size` trajectories that can offer the same tools.

    Four in ten of all trajectories stay alone, whether a tool fits or not.
    """
    groups: list[list[Trajectory]] = []
    open_: list[list[Trajectory]] = []
    for trajectory in trajectories:
        if size == 1 or random.Random(f"alone {trajectory.id}").random() < _ALONE:
            groups.append([trajectory])
            continue
        group = next((one for one in open_ if _agree([*one, trajectory])), None)
        if group is None:
            open_.append(group := [])
            groups.append(group)
        group.append(trajectory)
        open_ = [one for one in open_ if len(one) < size][-_OPEN:]
    return groups


def company(
    rng: random.Random,
    group: Sequence[Trajectory],
    sizes: tuple[int, int],
    pool: Mapping[str, Tool],
) -> list[Tool]:
    """Return the tools that a group needs, among as many others as the drawn size takes.

    Half of the others, or all where a trajectory is alone, are its members' own; the rest comes
    from the pool.
    """
    chosen = {name: tool for one in group for name, tool in needed(one).items()}
    size = max(len(chosen), 1, rng.randint(*sizes))
    alone = len(group) == 1
    own = [(tool, one) for one in group for tool in one.tools if tool.name not in chosen]
    rng.shuffle(own)
    room = size if alone else len(chosen) + (size - len(chosen) + 1) // 2
    for tool, owner in own:
        if len(chosen) >= room:
            break
        if not any(_could_do(tool, one, strictly=False) for one in group if one is not owner):
            chosen.setdefault(tool.name, tool)
    names = [name for name in pool if name not in chosen]
    for name in rng.sample(names, len(names)):
        if len(chosen) >= size:
            break
        if content_words(name) and not any(
            _could_do(pool[name], one, strictly=alone) for one in group
        ):
            chosen[name] = pool[name]
    tools = list(chosen.values())
    # Where tools keep their order, the needed ones are not the first.
    return rng.sample(tools, len(tools))


def needed(trajectory: Trajectory) -> dict[str, Tool]:
    """Return the tools that a trajectory calls, or would if the user had said what they need."""
    names = {step.tool for step in trajectory.steps if isinstance(step, Call)}
    thought = given_up(trajectory)
    if thought is not None:
        said = {word.strip(".,") for word in thought.split()}
        names |= said & {tool.name for tool in trajectory.tools}
    return {tool.name: tool for tool in trajectory.tools if tool.name in names}


def given_up(trajectory: Trajectory) -> str | None:
    """Return the planner's last thought if it gives up."""
    plans = [step for step in trajectory.steps if isinstance(step, Plan)]
    return plans[-1].thought if plans and plans[-1].next == "give_up" else None


def _agree(group: Sequence[Trajectory]) -> bool:
    """Return True if one set of tools can be offered to all: one tool a name, no new way to act."""
    tools: dict[str, Tool] = {}
    for one in group:
        for name, tool in needed(one).items():
            if tools.setdefault(name, tool) != tool:
                return False
    return not any(
        _could_do(tool, one, strictly=False)
        for one in group
        if not needed(one)
        for tool in tools.values()
    )


def _could_do(tool: Tool, trajectory: Trajectory, strictly: bool) -> bool:
    """Return True if another tool may do what a trajectory asks for, by its name.

    Where no tool fits: if the name has a word of the request or of the planner's thought, or is one
    word, which may mean a tool for many things ("python"). Else if it has a word of a needed tool's
    name, or where not `strictly`, the same words.
    """
    about = content_words(tool.name)
    known = needed(trajectory)
    if tool.name in known:
        return False
    if known:
        others = (content_words(name) for name in known)
        return any(about & words if strictly else about == words for words in others)
    text = f"{trajectory.instruction} {given_up(trajectory) or ''}".lower()
    return len(about) < 2 or bool(about & {singular(word) for word in re.findall(r"[a-z]+", text)})
