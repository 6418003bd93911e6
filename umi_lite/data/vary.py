"""Training trajectories varied, so that tools are read and not remembered (`data[].vary`).

Each trajectory is varied by the recipe's seed and its own id: other tools in company, descriptions
shortened, names of tools and arguments replaced (`rename`) and of what it is about (`vary_values`),
tools and arguments in another order, instructions opened or closed in other words, tools read with
the instruction (`vary_offers`). Its calls stay valid for the varied schemas, and `original` gives
back what its source can replay.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from umi_lite.data.rename import CannotRename, Names, draw_names, renamed, restored
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.vary_company import company, groups_of, pool_of
from umi_lite.data.vary_offers import in_system, offered
from umi_lite.data.vary_settings import Vary
from umi_lite.data.vary_values import replaced, with_other_names
from umi_lite.protocol.trajectory import Call, Tool, Trajectory

# What became of a trajectory that cannot be renamed.
UNRENAMED = "keeps its names: "
_OPENINGS = ("Hi! ", "Hello. ", "Hi there! ", "Good morning. ", "Hey! ", "A quick request. ")
_CLOSINGS = (" Thanks.", " Thank you!", " Thanks in advance.", " That's all.", " Many thanks.")


def varied(loaded: Loaded, settings: Vary, seed: int) -> Loaded:
    """Return the trajectories varied; `amended` has those that could not be renamed safely."""
    pool = pool_of(loaded.trajectories)
    amended = list(loaded.amended)
    found: dict[int, Trajectory] = {}  # by the object: ids of files may repeat
    for group in groups_of(loaded.trajectories, settings.together):
        # What the tools look like is drawn by the group, so that its members agree.
        rng = random.Random(f"vary {seed} {group[0].id}")
        tools: Sequence[Tool] = group[0].tools
        if settings.company or len(group) > 1:
            tools = company(rng, group, settings.company or (1, 1), pool)
        chosen = rng.getstate()
        for trajectory in group:
            rng.setstate(chosen)
            one, why = _vary(rng, trajectory, tools, settings, f"{seed} {trajectory.id}")
            found[id(trajectory)] = one
            if why:
                amended.append(Dropped(trajectory.id, UNRENAMED + why))
    return Loaded([found[id(one)] for one in loaded.trajectories], list(loaded.dropped), amended)


def _vary(
    rng: random.Random,
    trajectory: Trajectory,
    tools: Sequence[Tool],
    settings: Vary,
    own: str,
) -> tuple[Trajectory, str]:
    """Return the varied trajectory, and why it could not be renamed.

    Args:
        rng: draws what the tools look like.
        tools: those that its group offers.
        own: seed of what is drawn for it alone.
    """
    order = [tool.name for tool in trajectory.tools]
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
    values: dict[str, str] = {}
    if settings.values and rng.random() < settings.values:
        made, values = with_other_names(rng, made.model_copy(update={"instruction": instruction}))
        instruction = made.instruction
    back = names.back()
    called = {step.tool for step in trajectory.steps if isinstance(step, Call)}
    record = {
        "instruction": trajectory.instruction,
        "order": order,
        "tools": dict(back.tools),
        "arguments": dict(back.arguments),
        "values": values,
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
    made = replaced(in_system(trajectory), record.get("values", {}))
    made = restored(made, Names(record["tools"], record["arguments"]))
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
