"""Train and held-out tasks for your own tools: generated once, kept in the run folder, shown.

`tasks/` appears when it is complete: train.jsonl, test.jsonl and made.json with what they are made
of, the coverage of each schema, and what could not be made.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.data import traces
from umi_lite.data.leaks import find_leaks
from umi_lite.data.own_tools import OwnTools
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.synth import generate
from umi_lite.data.synth.plans import Company, Mix
from umi_lite.data.synth.pools import Split
from umi_lite.data.synth.stored import NAME
from umi_lite.data.synth.wording import SynthTool
from umi_lite.data.wild.catalog import tools_of
from umi_lite.errors import UserError
from umi_lite.files import read_json, staged_folder, write_text
from umi_lite.protocol.roles import dump_json, tool_line
from umi_lite.protocol.trajectory import Answer, Call, Plan, Trajectory
from umi_lite.reproduce.coverage import Coverage, Used, coverage

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.reproduce.teacher import Teacher

FOLDER, TRAIN, HELD_OUT, MADE = "tasks", "train.jsonl", "test.jsonl", "made.json"
SHOWN = 20
# Characters of a token in tool docs and tasks, at the least; SmolLM2 has 3.4 in the docs of
# servers and 2.9 in tasks.
_CHARS = 2.8
# Docs of up to these tokens are in every row. Of longer ones as many tools as half a row holds.
_MOST_DOCS, _DOCS_SHARE = 2560, 0.5
# Tokens of an episode after the docs, and of the episodes that share them in one pass.
_EPISODE, _EPISODES = 768, 2048
# Tools that none of your own resembles, for requests that no tool fits.
_FOREIGN = 60


@dataclass(frozen=True)
class Sizes:
    """How many tasks to generate, and for how many tokens.

    Attributes:
        train: training tasks. held_out: tasks to measure on.
        max_length: tokens of a whole episode; longer tasks are left out.
    """

    train: int
    held_out: int
    seed: int
    max_length: int


def lengths(own: OwnTools) -> tuple[int, int]:
    """Return the tokens of a row and of a pass that hold the docs of all tools, 0 if too long."""
    docs = _docs(own)
    if docs > _MOST_DOCS:
        return 0, 0
    return docs + _EPISODE, docs + _EPISODES


def _docs(own: OwnTools) -> int:
    """Return the most tokens that the docs of all tools take."""
    return round(sum(len(tool_line(one.tool)) for one in own.tools) / _CHARS)


@dataclass(frozen=True)
class OwnTasks:
    """Generated tasks: of their own tools, and what could not be made.

    Attributes:
        dropped: reason, number, and the place of the first.
    """

    folder: Path
    train: Sequence[Trajectory]
    held_out: Sequence[Trajectory]
    coverage: dict[str, Coverage]
    dropped: Sequence[tuple[str, int, str]]


def own_tasks(own: OwnTools, sizes: Sizes, out: Path, teacher: "Teacher | None" = None) -> OwnTasks:
    """Return the tasks of a run folder, generated if they are not there yet.

    Args:
        teacher: words the training instructions.

    Raises:
        UserError: the folder holds tasks of other tools or settings, or none can be made.
    """
    folder = out / FOLDER
    made_of = {**_made_of(own, sizes), "teacher": teacher and teacher.name}
    kept = read_json(folder / MADE)
    if kept:
        if other := [key for key in made_of if kept["made_of"].get(key) != made_of[key]]:
            raise UserError(
                f"{folder} holds tasks made with other settings ({other[0]} differs): "
                "name another --out, or give the same settings to resume"
            )
    else:
        with staged_folder(folder) as work:
            _generate(own, sizes, work, made_of, teacher)
        kept = read_json(folder / MADE)
    used = {
        name: Coverage(row["calls"], *(Used(**row[key]) for key in _COUNTED))
        for name, row in kept["coverage"].items()
    }
    train, held_out = (traces.load(folder / name).trajectories for name in (TRAIN, HELD_OUT))
    return OwnTasks(folder, train, held_out, used, [tuple(row) for row in kept["dropped"]])


_COUNTED = ("arguments", "optional", "choices")


def _made_of(own: OwnTools, sizes: Sizes) -> dict[str, Any]:
    """Return what the tasks depend on, as JSON values."""
    specs = [one.tool.model_dump(mode="json") for one in own.tools]
    digest = hashlib.sha256(json.dumps(specs, sort_keys=True).encode()).hexdigest()
    return {"tools": digest, **asdict(sizes), "run": sorted(own.functions)}


def _generate(
    own: OwnTools, sizes: Sizes, work: Path, made_of: dict[str, Any], teacher: "Teacher | None"
) -> None:
    held_out = _made(own, sizes, "test", sizes.held_out)
    train = _made(own, sizes, "train", sizes.train)
    leaks = {leak.index for leak in find_leaks(train.trajectories, held_out.trajectories)}
    why = "its instruction is in the held-out tasks, or nearly"
    dropped = [*own.dropped, *train.dropped, *held_out.dropped]
    dropped += [Dropped(train.trajectories[at].id, why) for at in sorted(leaks)]
    kept = [task for at, task in enumerate(train.trajectories) if at not in leaks]
    if not kept or not held_out.trajectories:
        reasons = [drop.reason for drop in dropped if drop.where.startswith("tool ")]
        reasons += [drop.reason for drop in dropped]
        raise UserError(f"{own.origin}: no task can be made: {(reasons or ['no draw fits'])[0]}")
    if teacher is not None:
        worded = teacher.reword(Loaded(kept))
        kept = worded.trajectories
        dropped += worded.dropped
    used = coverage([one.tool for one in own.tools], kept)
    made = {
        "made_of": made_of,
        "train": len(kept),
        "held_out": len(held_out.trajectories),
        "coverage": {name: asdict(one) for name, one in used.items()},
        "dropped": Loaded([], dropped).drop_table(),
    }
    traces.save(kept, work / TRAIN)
    traces.save(held_out.trajectories, work / HELD_OUT)
    write_text(work / MADE, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def _made(own: OwnTools, sizes: Sizes, split: Split, count: int) -> Loaded:
    """Generate tasks that fit in a row, their tools in your order."""
    order = {one.tool.name: at for at, one in enumerate(own.tools)}
    found: Loaded = Loaded([])
    company = None
    if _docs(own) + _EPISODE <= sizes.max_length:
        company = Company(own.tools, _foreign(own, sizes.seed, split))
    tasks = generate.generate(
        own.tools, seed=sizes.seed, count=2 * count, split=split, mix=_mix(own, sizes),
        company=company, source=NAME, on_drop=found.dropped.append,
    )  # fmt: skip
    for task in tasks:
        if _chars(task) > sizes.max_length * _CHARS:
            long = f"it is longer than {sizes.max_length} tokens"
            found.dropped.append(Dropped(task.id, long))
            continue
        # In one order, so that rows share the docs of the same tools.
        tools = sorted(task.tools, key=lambda tool: order.get(tool.name, len(order)))
        found.trajectories.append(task.model_copy(update={"tools": tuple(tools)}))
        if len(found.trajectories) == count:
            break
    return found


def _mix(own: OwnTools, sizes: Sizes) -> Mix:
    """Return the default mix; where not all docs fit, as many tools are offered as do."""
    docs = sum(len(tool_line(one.tool)) for one in own.tools) / len(own.tools)
    most = max(1, int(sizes.max_length * _CHARS * _DOCS_SHARE / docs))
    offered = tuple(range(min(2, most), most + 1))
    return Mix(twins=0.1, sizes=(offered, (1,) * len(offered)))


def _foreign(own: OwnTools, seed: int, split: Split) -> list[SynthTool]:
    """Return tools of domains in which no tool is about what one of your own is about."""
    mine = _about(own.tools)
    domains: dict[str, list[SynthTool]] = {}
    for tool in tools_of(split):
        domains.setdefault(tool.domain, []).append(tool)
    apart = (tools for tools in domains.values() if not mine & _about(tools))
    other = [tool for tools in apart for tool in tools]
    return random.Random(f"foreign {split} {seed}").sample(other, min(_FOREIGN, len(other)))


def _about(tools: Iterable[SynthTool]) -> frozenset[str]:
    return frozenset[str]().union(*(one.about for one in tools))


def _chars(task: Trajectory) -> int:
    docs = sum(len(tool_line(tool)) for tool in task.tools)
    return docs + len(task.instruction) + sum(map(_said, task.steps))


def _said(step: Any) -> int:
    match step:
        case Plan():
            return len(step.thought) + 20
        case Call():
            return len(dump_json(step.arguments)) + len(step.tool) + 20
        case Answer():
            return len(step.text)
        case _:
            return len(step.content) + 20


def show(tasks: OwnTasks, console: "Console") -> None:
    """Print twenty of the training tasks, counts, the coverage of each schema, what is missing."""
    from rich.table import Table
    from rich.text import Text

    from umi_lite.sandbox.text import visible

    for number, task in enumerate(tasks.train[:SHOWN], 1):
        console.out(visible(f"{number:2}  {task.instruction}"), highlight=False)
        for line in _solution(task):
            console.out(visible(f"    {line}"), style="dim", highlight=False)
    table = Table(title="training tasks: what the calls use of each schema", title_justify="left")
    for name in ("tool", "calls", "arguments", "optional ones", "enum values"):
        table.add_column(name, justify="left" if name == "tool" else "right")
    none = Used(0, 0)
    rows = {name: (one.calls, one.arguments, one.optional, one.choices)
            for name, one in tasks.coverage.items()}  # fmt: skip
    for name, row in rows.items():
        table.add_row(Text(visible(name)), *map(str, row))
    whole = [sum((row[at] for row in rows.values()), none) for at in (1, 2, 3)]
    calls = sum(row[0] for row in rows.values())
    table.add_row("all", str(calls), *map(str, whole), style="bold")
    console.print(table)
    offered = [len(task.tools) for task in tasks.train]
    console.print(
        f"{len(tasks.train)} training tasks, {len(tasks.held_out)} held-out tasks; a task offers "
        f"{min(offered)} to {max(offered)} tools of {len(rows)}"
    )
    for reason, count, first in tasks.dropped:
        console.out(visible(f"left out, {count}: {reason} (first: {first})"), style="dim")


def _solution(task: Trajectory) -> Iterator[str]:
    for step in task.steps:
        if isinstance(step, Call):
            yield f"{step.tool} {dump_json(step.arguments)}"
        elif isinstance(step, Plan) and step.next == "give_up":
            yield f"give up: {step.thought}"
        elif isinstance(step, Answer):
            yield f"answer: {step.text}"
