"""The tries of bootstrapping: what a journal holds of them, and which are the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.evals.journal import Journal
from umi_lite.evals.live import Result
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.trajectory import Call, Plan, Trajectory
from umi_lite.runtime.trace import Trace


class Try(BaseModel):
    """One line of the journal. `trajectory` is None where the try is of no use, for `why`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    number: int = Field(ge=0)
    why: str
    trajectory: Trajectory | None


def tries_so_far(
    journal: Journal, settings: Mapping[str, Any], tasks: Sequence[Trajectory]
) -> dict[str, dict[int, Try]]:
    """The tries that the journal holds, by task and number; its first row are the settings."""
    if not journal.rows:
        journal.append(settings)
    first, *rows = journal.rows
    if first != json.loads(json.dumps(settings)):
        raise UserError(
            f"{journal.path} was begun with other settings ({json.dumps(first)}); "
            "give those, or remove it to begin anew"
        )
    tried: dict[str, dict[int, Try]] = {task.id: {} for task in tasks}
    asked = {task.id: task.instruction for task in tasks}
    for row in rows:
        try:
            attempt = Try.model_validate(row)
        except ValidationError:
            raise UserError(f"{journal.path} holds a row that is no try; remove it") from None
        made = attempt.trajectory
        if made is not None and asked.get(attempt.task, made.instruction) != made.instruction:
            raise UserError(
                f"{journal.path}: {attempt.task} is another question there; remove the file"
            )
        if attempt.task in tried:
            tried[attempt.task][attempt.number] = attempt
    return tried


def distinct(tries: Mapping[int, Try]) -> list[Trajectory]:
    """The useful tries of a task, the first of each kind, in the tries' order."""
    kinds: dict[str, Trajectory] = {}
    for _, attempt in sorted(tries.items()):
        if attempt.trajectory is not None:
            kinds.setdefault(deeds(attempt.trajectory), attempt.trajectory)
    return list(kinds.values())


def deeds(trajectory: Trajectory) -> str:
    """What was done: every decision and every call with its arguments, without any wording."""
    done: list[Any] = []
    for step in trajectory.steps:
        if isinstance(step, Plan):
            done.append(step.next)
        elif isinstance(step, Call):
            done.append([step.tool, step.arguments])
    return json.dumps(done, sort_keys=True)


def judged(
    task: Trajectory, number: int, trace: Trace, result: Result, settings: Mapping[str, Any]
) -> Try:
    cut_off = any(turn.stop == "length" for turn in trace.turns)
    why = result.why or ("a turn was cut off" if cut_off else "")
    if why:
        return Try(task=task.id, number=number, why=why, trajectory=None)
    how = {
        **settings,
        "try": number,
        "task": task.id,
        "tokens": trace.tokens,
        "generated": trace.generated,
    }
    made = trace.trajectory.model_copy(
        update={"id": f"{task.id}-try{number}", "meta": task.meta | {"bootstrap": how}}
    )
    return Try(task=task.id, number=number, why="", trajectory=made)
