"""A bundle on BFCL's tasks: its episodes, their calls, and the outcome of each.

On the leaderboard a model writes all the calls of a turn at once. Here the agent makes one call at
a time, and all that it makes before it answers, gives up or reaches a bound are one turn's. The
tools do not exist: each call has the same result, which says nothing, so that no episode learns
from it whether a call was right or how many are missing.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.data.bfcl import CATEGORIES, MULTI_TURN
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.bfcl.check import verdict
from umi_lite.evals.bfcl.gold import gold_calls
from umi_lite.evals.bfcl.worlds import gold_turns, play_turns, turns_verdict
from umi_lite.evals.journal import Journal
from umi_lite.evals.stats import Rate
from umi_lite.protocol.roles import call_text, parse_call
from umi_lite.protocol.trajectory import Call, Observation, Trajectory
from umi_lite.tools.tools import Toolbox

RESULT = "Done. The result goes to the user."
"""What every call of a single-turn task returns."""
Turns = list[list[Call]]


class Outcome(BaseModel):
    """One task's calls by turn, and what is wrong with them (`why`, empty for nothing)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    category: str
    turns: tuple[tuple[Call, ...], ...]
    stop: str
    why: str

    @property
    def ok(self) -> bool:
        return not self.why


class NoResult(Toolbox):
    """The tools of a single-turn task, none of which exists: every call returns `RESULT`."""

    def call(self, call: Call) -> Observation:
        """Return `RESULT`, whatever the call."""
        return Observation(content=RESULT)


def rates(outcomes: Iterable[Outcome]) -> dict[str, Rate]:
    """Return the hits of each category that has outcomes, in the leaderboard's order."""
    groups: dict[str, list[bool]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.category, []).append(outcome.ok)
    return {name: Rate.of(groups[name]) for name in CATEGORIES if name in groups}


def gold_outcomes(tasks: Sequence[Trajectory]) -> Iterator[Outcome]:
    """Yield the outcome of each task's possible answers, written and read as a caller's calls.

    Raises:
        UserError: the package `bfcl-eval` is not installed.
    """
    for task in tasks:
        single = task.meta["split"] not in MULTI_TURN
        turns = [gold_calls(task)] if single else gold_turns(task)
        said = [[call_text(call, task.tools) for call in calls] for calls in turns]
        yield _judged(task, [[parse_call(text) for text in texts] for texts in said], "answer")


def run_tasks(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    out: Path | None = None,
    *,
    made_by: Mapping[str, Any],
    bounds: Bounds,
    sampling: Sampling,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Run the tasks in a batch; return their outcomes in the tasks' order.

    Args:
        out: a journal: each outcome is appended as its episode ends, and tasks that have one in
            it are not run again. None keeps nothing.
        made_by: what runs, as JSON values; the journal's first line.
        on_outcome: called with each outcome, those of the journal included.

    Raises:
        UserError: no task, no package `bfcl-eval`, or a journal that cannot be written, holds
            something else or was begun with other settings.
    """
    if not tasks:
        raise UserError("no task to run; ask for at least one")
    found: dict[str, Outcome] = {}
    journal = None if out is None else Journal(out)
    try:
        if journal is not None:
            found |= _earlier(journal, made_by, tasks)
        for outcome in found.values():
            on_outcome(outcome)

        def ended(task: Trajectory, turns: Turns, trace: Trace) -> None:
            if trace.stop == "interrupted":
                return
            outcome = _judged(task, turns, trace.stop, trace.error)
            found[task.id] = outcome
            if journal is not None and not trace.broke_off:
                journal.append(outcome.model_dump(mode="json"))
            on_outcome(outcome)

        todo = [task for task in tasks if task.id not in found]
        # Tasks with the same tools share a cached prefix.
        todo.sort(key=lambda task: [tool.name for tool in task.tools])
        single = [task for task in todo if task.meta["split"] not in MULTI_TURN]
        run_many(
            engine,
            (Job(task, NoResult()) for task in single),
            bounds=bounds,
            sampling=sampling,
            on_trace=lambda at, trace: ended(single[at], [_made(single[at], trace)], trace),
        )
        several = [task for task in todo if task.meta["split"] in MULTI_TURN]
        play_turns(engine, several, ended, bounds=bounds, sampling=sampling)
    finally:
        if journal is not None:
            journal.close()
    return [found[task.id] for task in tasks]


def _made(task: Trajectory, trace: Trace) -> list[Call]:
    """Return the calls of an episode, without those of the history that it began with."""
    steps = trace.trajectory.steps[len(task.steps) :]
    return [step for step in steps if isinstance(step, Call)]


def _judged(task: Trajectory, turns: Turns, stop: str, error: str | None = None) -> Outcome:
    ended = stop in ("answer", "give_up")
    why = "" if ended else (error or f"ended with {stop}")
    if task.meta["split"] in MULTI_TURN:
        # As on the leaderboard, where a turn without an end fails the task.
        why = why or turns_verdict(task, turns)
    elif ended or (turns[0] and stop != "error"):
        why = verdict(task, turns[0])
    return Outcome(
        id=task.id,
        category=task.meta["split"],
        turns=tuple(map(tuple, turns)),
        stop=stop,
        why=" ".join(why.split()),
    )


def _earlier(
    journal: Journal, made_by: Mapping[str, Any], tasks: Sequence[Trajectory]
) -> dict[str, Outcome]:
    """Return the journal's outcomes of the tasks by id; its first row says what made them."""
    if not journal.rows:
        journal.append(made_by)
    first, *rows = journal.rows
    if first != json.loads(json.dumps(made_by)):
        raise UserError(
            f"{journal.path} was begun with other settings ({json.dumps(first)}); "
            "give those, or another --out"
        )
    try:
        found = [Outcome.model_validate(row) for row in rows]
    except ValidationError:
        raise UserError(
            f"{journal.path} holds a line that is not an outcome; give another --out"
        ) from None
    wanted = {task.id for task in tasks}
    return {outcome.id: outcome for outcome in found if outcome.id in wanted}
