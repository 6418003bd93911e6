"""Majority voting: each task is run several times, and the most frequent answer counts.

Self-consistency (Wang et al., arXiv 2203.11171), as ToRA (arXiv 2309.17452) uses it (maj@k).
Answers agree if the grader of MATH finds them equal, or GSM8K's numbers are.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from umi_lite.agent.bounds import LARGEST_SEED, Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.data import SOURCES
from umi_lite.data.load import find_source
from umi_lite.data.source import Voting, named
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.answers import gsm8k_number
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.live import SEEDS_APART, Result, Score, is_single, play
from umi_lite.evals.math.extract import answer_of
from umi_lite.evals.math.grade import equal
from umi_lite.protocol.trajectory import Observation, Trajectory


@dataclass(frozen=True)
class _Ballot:
    """One episode of a task, and the answer that it votes for, or None."""

    trace: Trace
    result: Result
    answer: str | None


def evaluate_majority(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    episodes: int,
    *,
    bounds: Bounds = BOUNDS,
    sampling: Sampling,
    on_result: Callable[[Result, Trace], None] | None = None,
) -> Score:
    """Run each task `episodes` times; the first one with the most frequent answer is its result.

    An episode without an answer does not vote; of equally frequent answers the earlier one
    counts. `seconds` and `tokens` of a result are those of all its episodes.

    Args:
        sampling: sampling of the first run; the others have other seeds.
        on_result: called as the last episode of each task ends, with the one that counts.

    Raises:
        UserError: no task, tasks without a gold or whose answers cannot be compared, or a
            temperature at which all episodes would be the same.
    """
    rules = check_majority(tasks, episodes, sampling)
    ballots: list[list[_Ballot]] = [[] for _ in tasks]
    results: dict[int, Result] = {}
    started = time.monotonic()

    def ended(at: int, trace: Trace, result: Result) -> None:
        ballots[at].append(_Ballot(trace, result, rules[at].answer(trace)))
        if len(ballots[at]) < episodes:
            return
        chosen = _elected(rules[at].same, ballots[at])
        cost = {
            "seconds": sum(ballot.result.seconds for ballot in ballots[at]),
            "tokens": sum(ballot.result.tokens for ballot in ballots[at]),
        }
        results[at] = chosen.result.model_copy(update=cost)
        if on_result is not None:
            on_result(results[at], chosen.trace)

    for number in range(episodes):
        seed = (sampling.seed + number * SEEDS_APART) % (LARGEST_SEED + 1)
        taken = replace(sampling, seed=seed)
        play(engine, tasks, ended, bounds=bounds, sampling=taken)
    ordered = tuple(results[at] for at in range(len(tasks)))
    seconds = time.monotonic() - started
    return Score(single=is_single(engine), seconds=seconds, results=ordered, majority=episodes)


def check_majority(tasks: Sequence[Trajectory], episodes: int, sampling: Sampling) -> list[Voting]:
    """Return how each task's episodes vote; errors as in `evaluate_majority`."""
    if episodes < 1:
        raise UserError(f"majority is {episodes}; it must be 1 or more")
    if not tasks:
        raise UserError("no task to evaluate; ask for at least one")
    rules: list[Voting] = []
    for task in tasks:
        rule = _voting(task.source)
        if rule is None:
            known = ", ".join(filter(_voting, SOURCES))
            raise UserError(f"no majority for {task.source}: only {known} have comparable answers")
        rules.append(rule)
        if task.gold is None:
            raise UserError(f"{task.id} has no gold answer, so it cannot be judged live")
    if sampling.temperature == 0:
        raise UserError(
            f"{episodes} episodes at temperature 0 are all the same: give --temperature too"
        )
    return rules


def _voting(source: str) -> Voting | None:
    place = find_source(source).voting if source in SOURCES else None
    return None if place is None else named(place)


def _elected(same: Callable[[str, str], bool], ballots: Sequence[_Ballot]) -> _Ballot:
    camps: list[list[_Ballot]] = []
    for ballot in ballots:
        if ballot.answer is None:
            continue
        like = partial(same, ballot.answer)
        camp = next((camp for camp in camps if like(camp[0].answer or "")), None)
        if camp is None:
            camps.append([ballot])
        else:
            camp.append(ballot)
    return max(camps, key=len)[0] if camps else ballots[0]


def _with_number(trace: Trace) -> str | None:
    return trace.answer if gsm8k_number(trace.answer or "") is not None else None


def _same_number(one: str, other: str) -> bool:
    return gsm8k_number(one) == gsm8k_number(other)


def _value(trace: Trace) -> str | None:
    """Return, as text, what the grader of MATH would read as the answer."""
    if trace.answer is None:
        return None
    printed = [s.content for s in trace.trajectory.steps if isinstance(s, Observation)]
    return answer_of(trace.answer, printed[-1] if printed else None)


NUMBERS = Voting(_with_number, _same_number)
VALUES = Voting(_value, equal)
