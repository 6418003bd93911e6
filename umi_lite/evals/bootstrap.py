"""Trajectories of one's own: a bundle solves training questions, and what ended right is kept.

Rejection sampling as in STaR (Zelikman et al., arXiv 2203.14465) and RFT (Yuan et al., arXiv
2308.01825): try 0 of a question is greedy, the later ones are sampled; two right ones are the
same where they make the same decisions and the same calls, however the thoughts are worded.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.agent.agent import Runner
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.data import traces
from umi_lite.errors import UserError
from umi_lite.evals.journal import Journal
from umi_lite.evals.live import Result, environment_of, play
from umi_lite.protocol.trajectory import Call, Plan, Trajectory
from umi_lite.tools.tools import Toolbox


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


HELD_OUT = ("test", "ood", "dev")
# Farther apart than an episode has turns, each of which counts the seed up.
_SEEDS_APART = 1009


@dataclass(frozen=True)
class Plenty:
    """How much is tried.

    Attributes:
        tries: episodes a question at most; the first is greedy.
        temperature: of the later ones.
        keep: trajectories a question at most; with so many it is tried no more.
        seed: of the sampling.
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
                f"temperature {self.temperature} makes every try the same; it must be above 0"
            )


class Summary(BaseModel):
    """What came of it.

    Attributes:
        questions: that were asked.
        solved: of them at least once.
        tries: episodes, those of earlier calls included.
        right: of the tries, those that ended right and whole.
        duplicates: of the right ones, those that did what an earlier one had done.
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
            f"{self.solved} of {self.questions} questions solved in {self.tries} tries, "
            f"{self.kept} trajectories kept, {self.duplicates} duplicates, {self.seconds:.0f} s"
        )


def bootstrap(
    engine: Runner,
    tasks: Sequence[Trajectory],
    out: Path,
    plenty: Plenty,
    *,
    made_by: Mapping[str, Any],
    single: bool = False,
    bounds: Bounds | None = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
    on_try: Callable[[str, bool], None] | None = None,
) -> Summary:
    """Solve the tasks and write what ended right to `out`, for the source `traces`.

    Every try is appended to `<out>.part` as it ends; where that file is there, the tries in it
    are not made again. It may be gone on with more tries, or with more to keep. A try is of use
    where the task is solved (`live.judge`) and no turn was cut off; errors that it recovered
    from stay in.

    Args:
        made_by: what runs (bundle, its hash, roles elsewhere), as JSON values; it goes into each
            trajectory's `meta["bootstrap"]`.
        single: one model (view `backbone`) takes all the turns.
        bounds: default those of the tasks' sources (`evals.bounds`).
        environment: makes a task's tools, just before it starts.
        on_try: called with (task's id, of use) as each try ends.

    Raises:
        UserError: no task, one of a held-out split, without gold or with another's id; `out` is
            there already; `<out>.part` was begun with other settings; nothing was kept, so that
            there is no file.
    """
    _check(tasks, out)
    started = time.monotonic()
    part = out.with_name(f"{out.name}.part")
    sampled = {"temperature": plenty.temperature, "seed": plenty.seed}
    settings = {**made_by, "single": single, **sampled}
    with Journal(part) as journal:
        tried = tries_so_far(journal, settings, tasks)

        def ended(
            number: int, asked: Sequence[Trajectory], at: int, trace: Trace, result: Result
        ) -> None:
            if trace.broke_off:
                return
            attempt = judged(asked[at], number, trace, result, settings)
            journal.append(attempt.model_dump(mode="json"))
            tried[attempt.task][number] = attempt
            if on_try is not None:
                on_try(attempt.task, attempt.trajectory is not None)

        for number in range(plenty.tries):
            wanting = [task for task in tasks if _wanting(tried[task.id], number, plenty.keep)]
            play(
                engine,
                wanting,
                partial(ended, number, wanting),
                single=single,
                bounds=bounds,
                sampling=Sampling(plenty.temperature if number else 0.0, _seed(plenty, number)),
                environment=environment,
            )
    kept = [made for task in tasks for made in distinct(tried[task.id])[: plenty.keep]]
    summary = _summary(tasks, tried, len(kept), time.monotonic() - started)
    if not kept:
        raise UserError(
            f"nothing was kept, so no {out} was written: {summary}; tries are in {part}"
        )
    traces.save(kept, out)
    part.unlink()
    return summary


def check_split(split: str | None) -> None:
    """Refuse what is held out: it must never be trained on.

    Raises:
        UserError: the split is one of `HELD_OUT`.
    """
    if split in HELD_OUT:
        raise UserError(f"split {split!r} is held out, never trained on; take questions of train")


def _check(tasks: Sequence[Trajectory], out: Path) -> None:
    if not tasks:
        raise UserError("there is no question to try; ask for at least one")
    if out.exists():
        raise UserError(f"{out} is there already; give another name, or remove it to begin anew")
    seen: set[str] = set()
    for task in tasks:
        check_split(task.meta.get("split"))
        if task.gold is None:
            raise UserError(f"{task.id} has no gold answer, so nothing says whether a try is right")
        if task.id in seen:
            raise UserError(f"two questions have the id {task.id}; ids must differ")
        seen.add(task.id)


def _wanting(tries: Mapping[int, Try], number: int, keep: int) -> bool:
    """Whether to make try `number`: told by those before it alone, so a kill changes nothing."""
    before = {at: attempt for at, attempt in tries.items() if at < number}
    return number not in tries and len(distinct(before)) < keep


def _seed(plenty: Plenty, number: int) -> int:
    return (plenty.seed * 1_000_003 + number * _SEEDS_APART) % 2**31


def _summary(
    tasks: Sequence[Trajectory],
    tried: Mapping[str, Mapping[int, Try]],
    kept: int,
    seconds: float,
) -> Summary:
    right = {
        task.id: [a for a in tried[task.id].values() if a.trajectory is not None] for task in tasks
    }
    count = sum(map(len, right.values()))
    return Summary(
        questions=len(tasks),
        solved=sum(map(bool, right.values())),
        tries=sum(len(tried[task.id]) for task in tasks),
        right=count,
        duplicates=count - sum(len(distinct(tried[task.id])) for task in tasks),
        kept=kept,
        seconds=seconds,
    )
