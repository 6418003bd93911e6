"""Rejection sampling: a bundle solves training questions, and the right trajectories are kept.

As in STaR (Zelikman et al., arXiv 2203.14465) and RFT (Yuan et al., arXiv 2308.01825). Attempt 0
of a question is greedy, the later ones are sampled. Two right trajectories are duplicates if they
make the same decisions and the same calls, however the thoughts are worded.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.data import traces
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.journal import Journal
from umi_lite.evals.live import SEEDS_APART, Result, environment_of, is_single, play
from umi_lite.protocol.trajectory import Call, Plan, Trajectory
from umi_lite.tools.tools import Toolbox

HELD_OUT = ("test", "ood", "dev")


@dataclass(frozen=True)
class BootstrapConfig:
    """How often to attempt each question, and how many trajectories of it to keep.

    Attributes:
        tries: the most episodes per question; the first is greedy.
        temperature: sampling temperature of the others.
        keep: the most trajectories per question; once it has them, it is not attempted again.
        seed: sampling seed.
    """

    tries: int = 4
    temperature: float = 0.7
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tries < 1 or self.keep < 1:
            raise UserError(f"tries is {self.tries}, keep is {self.keep}; both must be 1 or more")
        if self.temperature <= 0 and self.tries > 1:
            raise UserError(
                f"temperature {self.temperature} makes all attempts the same; it must be above 0"
            )


class Summary(BaseModel):
    """Counts of a bootstrap.

    Attributes:
        questions: questions asked.
        solved: questions solved at least once.
        tries: attempts, those of earlier calls included.
        right: attempts that solved their question, with no turn cut off.
        duplicates: right attempts with the same actions as an earlier one.
        kept: trajectories in the file.
        seconds: wall time of this call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: int
    solved: int
    tries: int
    right: int
    duplicates: int
    kept: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.solved} of {self.questions} questions solved in {self.tries} attempts, "
            f"{self.kept} trajectories kept, {self.duplicates} duplicates, {self.seconds:.0f} s"
        )


class Attempt(BaseModel):
    """One line of the journal. `trajectory` is None if the attempt is of no use; `why` says why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    number: int = Field(ge=0)
    why: str
    trajectory: Trajectory | None


def bootstrap(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    out: Path,
    config: BootstrapConfig,
    *,
    made_by: Mapping[str, Any],
    bounds: Bounds | None = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
    on_attempt: Callable[[str, bool], None] | None = None,
) -> Summary:
    """Solve the tasks and write the right trajectories to `out`, for the source `traces`.

    Every attempt is appended to `<out>.part` as it ends; a later call does not repeat those in
    that file, and may ask for more attempts or keep more. An attempt is of use if the task is
    solved (`live.judge`) and no turn was cut off; errors that it recovered from stay in.

    Args:
        made_by: what runs (bundle, its hash, roles elsewhere), as JSON values; stored in each
            trajectory's `meta["bootstrap"]`.
        bounds: default those of the tasks' sources (`evals.bounds`).
        environment: makes a task's tools, just before it starts.
        on_attempt: called with (task's id, of use) as each attempt ends.

    Raises:
        UserError: no task, or one that is held out, has no gold or shares an id; `out` exists;
            `<out>.part` was begun with other settings; nothing was kept, so no file is written.
    """
    _check(tasks, out)
    started = time.monotonic()
    part = out.with_name(f"{out.name}.part")
    sampled = {"temperature": config.temperature, "seed": config.seed}
    settings = {**made_by, "single": is_single(engine), **sampled}
    with Journal(part) as journal:
        attempts = _earlier_attempts(journal, settings, tasks)

        def ended(
            number: int, asked: Sequence[Trajectory], at: int, trace: Trace, result: Result
        ) -> None:
            if trace.broke_off:
                return
            attempt = _attempt(asked[at], number, trace, result, settings)
            journal.append(attempt.model_dump(mode="json"))
            attempts[attempt.task][number] = attempt
            if on_attempt is not None:
                on_attempt(attempt.task, attempt.trajectory is not None)

        for number in range(config.tries):
            wanted = [task for task in tasks if _is_wanted(attempts[task.id], number, config.keep)]
            play(
                engine,
                wanted,
                partial(ended, number, wanted),
                bounds=bounds,
                sampling=Sampling(config.temperature if number else 0.0, _seed(config, number)),
                environment=environment,
            )
    kept = [made for task in tasks for made in _distinct(attempts[task.id])[: config.keep]]
    summary = _summary(tasks, attempts, len(kept), time.monotonic() - started)
    if not kept:
        raise UserError(
            f"nothing was kept, so no {out} was written: {summary}; the attempts are in {part}"
        )
    traces.save(kept, out)
    part.unlink()
    return summary


def check_split(split: str | None) -> None:
    """Refuse a held-out split, which must never be trained on.

    Raises:
        UserError: the split is one of `HELD_OUT`.
    """
    if split in HELD_OUT:
        raise UserError(f"split {split!r} is held out, never trained on; take questions of train")


def _check(tasks: Sequence[Trajectory], out: Path) -> None:
    if not tasks:
        raise UserError("no question to attempt; ask for at least one")
    if out.exists():
        raise UserError(f"{out} exists already; give another name, or remove it to start over")
    seen: set[str] = set()
    for task in tasks:
        check_split(task.meta.get("split"))
        if task.gold is None:
            raise UserError(f"{task.id} has no gold answer, so its attempts cannot be judged")
        if task.id in seen:
            raise UserError(f"two questions have the id {task.id}; ids must differ")
        seen.add(task.id)


def _earlier_attempts(
    journal: Journal, settings: Mapping[str, Any], tasks: Sequence[Trajectory]
) -> dict[str, dict[int, Attempt]]:
    """Return the journal's attempts by task and number; its first row holds the settings."""
    if not journal.rows:
        journal.append(settings)
    first, *rows = journal.rows
    if first != json.loads(json.dumps(settings)):
        raise UserError(
            f"{journal.path} was begun with other settings ({json.dumps(first)}); "
            "give those, or remove it to start over"
        )
    attempts: dict[str, dict[int, Attempt]] = {task.id: {} for task in tasks}
    asked = {task.id: task.instruction for task in tasks}
    for row in rows:
        try:
            attempt = Attempt.model_validate(row)
        except ValidationError:
            raise UserError(
                f"{journal.path} holds a row that is not an attempt; remove it"
            ) from None
        made = attempt.trajectory
        if made is not None and asked.get(attempt.task, made.instruction) != made.instruction:
            raise UserError(
                f"{journal.path}: {attempt.task} is a different question there; remove the file"
            )
        if attempt.task in attempts:
            attempts[attempt.task][attempt.number] = attempt
    return attempts


def _distinct(attempts: Mapping[int, Attempt]) -> list[Trajectory]:
    """Return a task's useful trajectories without duplicates, in the attempts' order."""
    first: dict[str, Trajectory] = {}
    for _, attempt in sorted(attempts.items()):
        if attempt.trajectory is not None:
            first.setdefault(actions(attempt.trajectory), attempt.trajectory)
    return list(first.values())


def actions(trajectory: Trajectory) -> str:
    """Return every decision and every call with its arguments as JSON, without any wording."""
    done: list[Any] = []
    for step in trajectory.steps:
        if isinstance(step, Plan):
            done.append(step.next)
        elif isinstance(step, Call):
            done.append([step.tool, step.arguments])
    return json.dumps(done, sort_keys=True)


def _attempt(
    task: Trajectory, number: int, trace: Trace, result: Result, settings: Mapping[str, Any]
) -> Attempt:
    cut_off = any(turn.stop == "length" for turn in trace.turns)
    why = result.why or ("a turn was cut off" if cut_off else "")
    if why:
        return Attempt(task=task.id, number=number, why=why, trajectory=None)
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
    return Attempt(task=task.id, number=number, why="", trajectory=made)


def _is_wanted(attempts: Mapping[int, Attempt], number: int, keep: int) -> bool:
    """True if attempt `number` is to be made; earlier ones alone decide, so a kill is harmless."""
    before = {at: attempt for at, attempt in attempts.items() if at < number}
    return number not in attempts and len(_distinct(before)) < keep


def _seed(config: BootstrapConfig, number: int) -> int:
    return (config.seed * 1_000_003 + number * SEEDS_APART) % 2**31


def _summary(
    tasks: Sequence[Trajectory],
    attempts: Mapping[str, Mapping[int, Attempt]],
    kept: int,
    seconds: float,
) -> Summary:
    right = {
        task.id: [a for a in attempts[task.id].values() if a.trajectory is not None]
        for task in tasks
    }
    count = sum(map(len, right.values()))
    return Summary(
        questions=len(tasks),
        solved=sum(map(bool, right.values())),
        tries=sum(len(attempts[task.id]) for task in tasks),
        right=count,
        duplicates=count - sum(len(_distinct(attempts[task.id])) for task in tasks),
        kept=kept,
        seconds=seconds,
    )
