"""Training trajectories varied, so that tools are read and not remembered (`data[].vary`).

Each trajectory is varied by the recipe's seed and its own id: other tools in company, descriptions
shortened, names replaced (`rename`), tools and arguments in another order, instructions opened or
closed in other words, tools read with the instruction (`vary_offers`). Its calls stay valid for the
varied schemas, and `original` gives back what its source can replay.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from umi_lite.data.rename import CannotRename, Names, draw_names, renamed, restored
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.synth.names import content_words
from umi_lite.data.vary_offers import in_system, offered
from umi_lite.data.vary_settings import Vary
from umi_lite.protocol.trajectory import Call, Plan, Tool, Trajectory

# What became of a trajectory that cannot be renamed.
UNRENAMED = "keeps its names: "
_ALONE = 0.4
_OPENINGS = ("Hi! ", "Hello. ", "Hi there! ", "Good morning. ", "Hey! ", "A quick request. ")
_CLOSINGS = (" Thanks.", " Thank you!", " Thanks in advance.", " That's all.", " Many thanks.")


def varied(loaded: Loaded, settings: Vary, seed: int) -> Loaded:
    """Return the trajectories varied; `amended` has those that could not be renamed safely."""
    pool = _pool(loaded.trajectories) if settings.company else {}
    amended = list(loaded.amended)
    found: dict[int, Trajectory] = {}  # by the object: ids of files may repeat
    for group in _groups(loaded.trajectories, settings.together):
        offered = _together(group)
        for trajectory in group:
            # What the tools look like is drawn by the group, so that its members agree.
            rng = random.Random(f"vary {seed} {group[0].id}")
            one, why = _vary(rng, trajectory, settings, pool, offered, f"{seed} {trajectory.id}")
            found[id(trajectory)] = one
            if why:
                amended.append(Dropped(trajectory.id, UNRENAMED + why))
    return Loaded([found[id(one)] for one in loaded.trajectories], list(loaded.dropped), amended)


def _groups(trajectories: Sequence[Trajectory], size: int) -> list[list[Trajectory]]:
    """Return groups of at most `size` trajectories that can offer the same tools.

    A share of those that could be in a group stays alone, as those do that no tool fits: what is
    offered must not show whether a tool fits.
    """
    groups: list[list[Trajectory]] = []
    open_: list[Trajectory] = []
    named: dict[str, Tool] = {}
    for trajectory in trajectories:
        called = _called(trajectory)
        alone = random.Random(f"alone {trajectory.id}").random() < _ALONE
        if size == 1 or not called or alone:
            groups.append([trajectory])
            continue
        if len(open_) == size or any(named.get(n, tool) != tool for n, tool in called.items()):
            groups.append(open_)
            open_, named = [], {}
        open_.append(trajectory)
        named |= called
    return [*groups, open_] if open_ else groups


def _called(trajectory: Trajectory) -> dict[str, Tool]:
    """Return the tools that a trajectory calls, or would if the user had said what they need."""
    names = {step.tool for step in trajectory.steps if isinstance(step, Call)}
    if _gives_up(trajectory):
        thoughts = [step.thought for step in trajectory.steps if isinstance(step, Plan)]
        said = {word.strip(".,") for word in thoughts[-1].split()}
        names |= said & {tool.name for tool in trajectory.tools}
    return {tool.name: tool for tool in trajectory.tools if tool.name in names}


def _together(group: Sequence[Trajectory]) -> list[Tool]:
    """Return the tools that the members of a group of two or more call; none for a single one."""
    found: dict[str, Tool] = {}
    for trajectory in group if len(group) > 1 else ():
        found |= _called(trajectory)
    return list(found.values())


def _vary(
    rng: random.Random,
    trajectory: Trajectory,
    settings: Vary,
    pool: Mapping[str, Tool],
    together: Sequence[Tool],
    own: str,
) -> tuple[Trajectory, str]:
    """Return the varied trajectory, and why it could not be renamed.

    Args:
        rng: draws what the tools look like.
        together: the tools that the members of its group call, none where it is alone.
        own: seed of what is drawn for it alone.
    """
    tools = list(trajectory.tools)
    order = [tool.name for tool in tools]
    if together:
        tools = _joined(rng, together, settings.company or (1, 1), pool)
    elif settings.company:
        tools = _company(rng, trajectory, settings.company, pool)
    tools = [_shortened(rng, tool, settings.shorten) for tool in tools]
    made = trajectory.model_copy(update={"tools": tuple(tools)})
    why, names = "", Names({}, {})
    if rng.random() < settings.rename:
        try:
            names = draw_names(rng, made)
            made = renamed(made, names)
        except CannotRename as err:
            why, names = str(err), Names({}, {})
    if settings.shuffle:
        shuffled = [_shuffled(rng, tool) for tool in rng.sample(made.tools, len(made.tools))]
        made = made.model_copy(update={"tools": tuple(shuffled)})
    rng = random.Random(f"instruction {own}")
    instruction = made.instruction
    if rng.random() < settings.paraphrase:
        instruction = _paraphrased(rng, instruction)
    back = names.back()
    called = {step.tool for step in trajectory.steps if isinstance(step, Call)}
    record = {
        "instruction": trajectory.instruction,
        "order": order,
        "tools": dict(back.tools),
        "arguments": dict(back.arguments),
        "called": {t.name: t.description for t in trajectory.tools if t.name in called},
    }
    meta = {**made.meta, "vary": record}
    made = made.model_copy(update={"instruction": instruction, "meta": meta})
    if settings.offer and rng.random() < settings.offer:
        made = offered(rng, made, search=rng.random() < settings.search)
    return made, why


def original(trajectory: Trajectory) -> Trajectory:
    """Return a varied trajectory under its source's own names, with its source's own tools.

    Tools that were not called keep their varied descriptions, or stay away. An unvaried
    trajectory is returned as it is.
    """
    record: Mapping[str, Any] | None = trajectory.meta.get("vary")
    if record is None:
        return trajectory
    made = restored(in_system(trajectory), Names(record["tools"], record["arguments"]))
    known = {
        tool.name: tool.model_copy(
            update={"description": record["called"].get(tool.name, tool.description)}
        )
        for tool in made.tools
    }
    tools = tuple(known[name] for name in record["order"] if name in known)
    meta = {key: value for key, value in made.meta.items() if key != "vary"}
    return made.model_copy(
        update={"tools": tools, "meta": meta, "instruction": record["instruction"]}
    )


def _pool(trajectories: Sequence[Trajectory]) -> dict[str, Tool]:
    """Return the source's tools by name: the first of each name."""
    found: dict[str, Tool] = {}
    for trajectory in trajectories:
        for tool in trajectory.tools:
            found.setdefault(tool.name, tool)
    return found


def _company(
    rng: random.Random,
    trajectory: Trajectory,
    sizes: tuple[int, int],
    pool: Mapping[str, Tool],
) -> list[Tool]:
    """Return the called tools among as many others as the drawn size takes."""
    called = {step.tool for step in trajectory.steps if isinstance(step, Call)}
    size = max(len(called), rng.randint(*sizes))
    kept = list(trajectory.tools)
    free = [tool.name for tool in kept if tool.name not in called]
    leave = set(rng.sample(free, min(len(free), max(0, len(kept) - size))))
    kept = [tool for tool in kept if tool.name not in leave]
    if not called or _gives_up(trajectory):
        return kept  # another tool could do what none of these can
    about = [content_words(name) for name in called]
    here = {tool.name for tool in trajectory.tools}
    others = [name for name in pool if name not in here]
    rng.shuffle(others)
    for name in others:
        if len(kept) >= size:
            break
        if not any(content_words(name) & words for words in about) and content_words(name):
            kept.insert(rng.randint(0, len(kept)), pool[name])
    return kept


def _joined(
    rng: random.Random, called: Sequence[Tool], sizes: tuple[int, int], pool: Mapping[str, Tool]
) -> list[Tool]:
    """Return the tools that are called among as many others as the drawn size takes."""
    size = max(len(called), rng.randint(*sizes))
    about = [content_words(tool.name) for tool in called]
    here = {tool.name for tool in called}
    free = [
        name
        for name in pool
        if name not in here and not any(content_words(name) == words for words in about)
    ]
    others = [pool[name] for name in rng.sample(free, min(len(free), size - len(called)))]
    return [*called, *others]


def _gives_up(trajectory: Trajectory) -> bool:
    return any(isinstance(step, Plan) and step.next == "give_up" for step in trajectory.steps)


def _shortened(rng: random.Random, tool: Tool, share: float) -> Tool:
    """Return a tool with some of its descriptions cut to their beginning, or left out."""
    if not share:
        return tool
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    made: dict[str, Any] = {}
    for name, schema in properties.items():
        text = schema.get("description") if isinstance(schema, dict) else None
        if isinstance(text, str) and rng.random() < share:
            schema = {key: value for key, value in schema.items() if key != "description"}
            if (short := _cut(rng, text)) is not None:
                schema["description"] = short
        made[name] = schema
    description = tool.description
    if rng.random() < share:
        description = _cut(rng, description) or ""
    parameters = {**tool.parameters, "properties": made} if properties else tool.parameters
    return tool.model_copy(update={"description": description, "parameters": parameters})


def _cut(rng: random.Random, text: str) -> str | None:
    """Return a text's first sentence or first words, or None to leave it out."""
    roll = rng.random()
    if roll < 0.4:
        return None
    words = text.split()
    return text.split(". ")[0] if roll < 0.7 else " ".join(words[: max(3, len(words) // 2)])


def _shuffled(rng: random.Random, tool: Tool) -> Tool:
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    names = rng.sample(list(properties), len(properties))
    mixed = {name: properties[name] for name in names}
    return tool.model_copy(update={"parameters": {**tool.parameters, "properties": mixed}})


def _paraphrased(rng: random.Random, instruction: str) -> str:
    text = instruction.strip()
    if rng.random() < 0.5:
        return rng.choice(_OPENINGS) + text
    return text + rng.choice(_CLOSINGS) if text.endswith((".", "?", "!")) else text
