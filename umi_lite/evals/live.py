"""Live evaluation: run every task again on fresh tools, and judge the outcome.

A task is solved if its answer agrees with the gold by its source's rule (`evals.answers`,
`evals.math.grade`) and the tools were left as the gold calls leave them. A task that cannot be
done is solved if the agent gave up. How the agent got there does not matter.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.data import SOURCES
from umi_lite.data.load import find_source, live_sources
from umi_lite.data.source import GIVE_UP, Judge
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.answers import gsm8k_correct, holds_gold
from umi_lite.evals.bounds import bounds_for
from umi_lite.evals.math.grade import equal
from umi_lite.evals.stats import Rate, rates_by
from umi_lite.protocol.trajectory import Call, Observation, Plan, Trajectory
from umi_lite.tools.tools import Toolbox

# Seeds of one task's runs are this far apart: more than an episode has turns, each of which
# increments the seed.
SEEDS_APART = 1009


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@runtime_checkable
class Stateful(Protocol):
    """Tools that report what the calls so far have changed."""

    def state(self) -> dict[str, Any] | None: ...


class Result(_Model):
    """One task's outcome. `why` is empty if it was solved, else one line.

    `decided` planner decisions (who is next) can be compared with the gold trajectory's, up to
    and including the first that differs; `decisions` of them agree.
    """

    id: str
    split: str
    family: str
    calls: int
    instruction: str
    gold: str
    answer: str | None
    stop: str
    ok: bool
    why: str
    made_calls: int
    decisions: int
    decided: int
    seconds: float
    tokens: int


class Score(_Model):
    """All outcomes of one system; `majority` episodes per task (`evals.majority`)."""

    single: bool
    majority: int = 1
    seconds: float
    results: tuple[Result, ...]

    @property
    def success(self) -> Rate:
        return self.where()

    @property
    def multi_call(self) -> Rate:
        """Tasks whose gold solution makes two calls or more."""
        return self.where(lambda result: result.calls > 1)

    @property
    def decisions(self) -> Rate:
        return Rate.of(
            at < result.decisions for result in self.results for at in range(result.decided)
        )

    def where(self, keep: Callable[[Result], bool] = lambda _: True) -> Rate:
        """Return the success rate of the tasks that `keep` accepts."""
        return Rate.of(result.ok for result in self.results if keep(result))

    def by(self, field: str) -> dict[str, Rate]:
        """Return success by `split`, `family`, `calls` or any other field of a result."""
        return rates_by((str(getattr(result, field)), result.ok) for result in self.results)

    def rates(self) -> dict[str, Rate]:
        """Return the rows of a before/after table by name."""
        rows = {"all": self.success, "several calls": self.multi_call}
        rows |= {f"{calls} calls": rate for calls, rate in self.by("calls").items()}
        return rows | {"decisions": self.decisions}

    def report(self) -> dict[str, Any]:
        """Return everything as JSON values, the single results included."""
        groups = ("split", "calls", "family")
        rates = {
            "success": self.success, "multi_call": self.multi_call, "decisions": self.decisions,
        }  # fmt: skip
        return {
            "single": self.single,
            "majority": self.majority,
            "seconds": round(self.seconds, 2),
            **{name: rate.model_dump() for name, rate in rates.items()},
            **{f"by_{g}": {k: r.model_dump() for k, r in self.by(g).items()} for g in groups},
            "stops": dict(Counter(result.stop for result in self.results).most_common()),
            "results": [result.model_dump() for result in self.results],
        }


def environment_of(trajectory: Trajectory) -> Toolbox:
    """Return fresh live tools for a task of a source that has them (`Source.tools`).

    Raises:
        UserError: the source's tools are not available (recorded API calls, for example).
    """
    tools = find_source(trajectory.source).tools if trajectory.source in SOURCES else None
    if tools is None:
        raise UserError(
            f"{trajectory.id}: tasks of {trajectory.source!r} cannot be run live, their tools are "
            f"not available; those of {', '.join(live_sources())} can"
        )
    return tools(trajectory)


def evaluate(
    engine: RoleEngine,
    trajectories: Iterable[Trajectory],
    *,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
    on_result: Callable[[Result, Trace], None] | None = None,
) -> Score:
    """Run the tasks in a batch and judge them against their golds.

    Args:
        bounds: default those of the tasks' sources (`evals.bounds`).
        environment: makes a task's tools, just before it starts.
        on_result: called as each task ends, e.g. to keep its trace.

    Raises:
        UserError: no task, or one without a gold answer.
    """
    tasks = list(trajectories)
    if not tasks:
        raise UserError("no task to evaluate; ask for at least one")
    for task in tasks:
        if task.gold is None:
            raise UserError(f"{task.id} has no gold answer, so it cannot be judged live")
    results: dict[int, Result] = {}

    def ended(at: int, trace: Trace, result: Result) -> None:
        results[at] = result
        if on_result is not None:
            on_result(result, trace)

    started = time.monotonic()
    play(
        engine,
        tasks,
        ended,
        bounds=bounds,
        sampling=sampling,
        environment=environment,
    )
    return Score(
        single=is_single(engine),
        seconds=time.monotonic() - started,
        results=tuple(results[at] for at in range(len(tasks))),
    )


def is_single(engine: RoleEngine) -> bool:
    """True if one model (view `backbone`) takes all the turns."""
    return engine.speaker_of("planner") == "backbone"


def play(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    on_end: Callable[[int, Trace, Result], None],
    *,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> None:
    """Run the tasks in a batch; call `on_end` with each one's index, trace and result.

    Tasks with the same tools run next to each other, as they share a cached prefix.
    """
    order = sorted(range(len(tasks)), key=lambda at: [tool.name for tool in tasks[at].tools])
    boxes: dict[int, Toolbox] = {}

    def jobs() -> Iterator[Job]:
        for place, at in enumerate(order):
            boxes[place] = environment(tasks[at])
            yield Job.replay(tasks[at], boxes[place])

    def ended(place: int, trace: Trace) -> None:
        at = order[place]
        on_end(at, trace, judge(tasks[at], trace, boxes.pop(place)))

    bounds = bounds or bounds_for(tasks)
    run_many(engine, jobs(), bounds=bounds, sampling=sampling, on_trace=ended)


def judge(task: Trajectory, trace: Trace, toolbox: Toolbox) -> Result:
    """Return the outcome of one episode, from its trace and the tools as it left them."""
    why = _fault(task, trace, toolbox)
    decisions, decided = _decisions(task, trace.trajectory)
    meta, gold = task.meta, task.gold or ""
    return Result(
        id=task.id,
        split=str(meta.get("split", task.source)),
        family=str(meta.get("family", task.source)),
        calls=meta["calls"] if "calls" in meta else _calls(task),
        instruction=task.instruction,
        gold=gold,
        answer=trace.answer,
        stop=trace.stop,
        ok=not why,
        why=why,
        made_calls=_calls(trace.trajectory),
        decisions=decisions,
        decided=decided,
        seconds=trace.seconds,
        tokens=trace.tokens,
    )


def _fault(task: Trajectory, trace: Trace, toolbox: Toolbox) -> str:
    gold, answer = task.gold or "", trace.answer
    if gold == GIVE_UP:
        if trace.stop != "give_up":
            return f"should have given up, ended with {trace.stop}"
    elif answer is None or trace.stop != "answer":
        return trace.error or f"ended with {trace.stop}"
    elif wrong := _judge_of(task.source)(task, trace, answer):
        return f"{wrong} ({trace.error})" if trace.error else wrong
    wanted = task.meta.get("state")
    left = toolbox.state() if isinstance(toolbox, Stateful) else None
    return "" if wanted == left else f"the tools were left as {left}, not as {wanted}"


def _judge_of(source: str) -> Judge:
    return find_source(source).judged_by() if source in SOURCES else by_words


def by_words(task: Trajectory, trace: Trace, answer: str) -> str:
    """Return what is wrong with an answer that should hold the gold's words; "" for nothing."""
    held = holds_gold(task.gold or "", answer, task.instruction)
    return "" if held else "the answer does not hold the gold"


def by_number(task: Trajectory, trace: Trace, answer: str) -> str:
    """Return what is wrong with an answer that should be GSM8K's number; "" for nothing."""
    return "" if gsm8k_correct(task.gold or "", answer) else "another number"


def by_value(task: Trajectory, trace: Trace, answer: str) -> str:
    """Return what is wrong with an answer that should equal MATH's; "" for nothing."""
    printed = [s.content for s in trace.trajectory.steps if isinstance(s, Observation)]
    same = equal(answer, task.gold or "", output=printed[-1] if printed else None)
    return "" if same else "another value"


def _calls(trajectory: Trajectory) -> int:
    return sum(isinstance(step, Call) for step in trajectory.steps)


def _decisions(gold: Trajectory, made: Trajectory) -> tuple[int, int]:
    """Return how many of the planner's decisions agree, and how many can be compared.

    After the first that differs, the histories differ and cannot be compared.
    """
    wanted = [step.next for step in gold.steps if isinstance(step, Plan)]
    said = [step.next for step in made.steps if isinstance(step, Plan)]
    same = 0
    for one, other in zip(wanted, said, strict=False):
        if one != other:
            return same, same + 1
        same += 1
    return same, same
