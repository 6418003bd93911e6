"""Rates from a judge's votes: ToolAlpaca's correctness, ToolEval's pass and win rates."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from umi_lite.data.traces import load as load_episodes
from umi_lite.errors import UserError
from umi_lite.evals.judge import Judge, Question, Replies
from umi_lite.evals.judge_prompts import (
    final_answer,
    pass_prompt,
    read_pass,
    read_toolalpaca,
    read_win,
    toolalpaca_prompt,
    win_prompt,
)
from umi_lite.evals.stats import Rate
from umi_lite.protocol.trajectory import Trajectory

Ask = Callable[[Sequence[Question]], Replies]


class Judgement(BaseModel):
    """The rates, and the verdicts and votes they are made of.

    Attributes:
        verdicts: the majority's verdicts by task id.
        votes: the number of replies.
        unreadable: replies without a verdict; each counts as undecided.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    rates: dict[str, Rate]
    verdicts: dict[str, dict[str, str]]
    votes: int
    unreadable: int


def judged(kind: str, traces: Path, against: Path | None, judge: Judge, votes: Path) -> Judgement:
    """Return a judge's verdicts on finished episodes.

    Args:
        kind: `toolalpaca`, `pass` or `win`.
        against: for `win`, the other system's episodes.
        votes: where prompts and replies are kept.

    Raises:
        UserError: no such kind, no such episodes, or the endpoint fails.
    """
    if kind not in ("toolalpaca", "pass", "win"):
        raise UserError(f"no judge {kind!r}; there are toolalpaca, pass, win")
    if (kind == "win") != (against is not None):
        raise UserError("win compares two files: give the second as --against, and to win alone")

    def ask(questions: Sequence[Question]) -> Replies:
        return judge.ask(questions, votes)

    episodes = _episodes(traces)
    if against is not None:
        return judge_win(episodes, _episodes(against), ask)
    return (judge_pass if kind == "pass" else judge_toolalpaca)(episodes, ask)


def judge_toolalpaca(episodes: Sequence[Trajectory], ask: Ask) -> Judgement:
    """Rate process, response and both, as ToolAlpaca's evaluation counts them.

    Only a majority of `yes` is a hit; no majority is `uncertain`.

    Raises:
        UserError: no episode, two of one id, or one without golden answers.
    """
    _check(episodes)
    asked = {e.id: Question(e.id, "toolalpaca", toolalpaca_prompt(e)) for e in episodes}
    replies = ask(list(asked.values()))
    verdicts: dict[str, dict[str, str]] = {}
    read: list[str | None] = []
    for id_, question in asked.items():
        votes = [read_toolalpaca(reply) for reply in replies[question]]
        process, response = [vote[0] for vote in votes], [vote[1] for vote in votes]
        read += [None if None in vote else "read" for vote in votes]
        verdicts[id_] = {
            "process": _majority(process, "uncertain"),
            "response": _majority(response, "uncertain"),
        }
    rates = {
        part: Rate.of(verdict[part] == "yes" for verdict in verdicts.values())
        for part in ("process", "response")
    }
    rates["both"] = Rate.of(set(v.values()) == {"yes"} for v in verdicts.values())
    return _judgement("toolalpaca", rates, verdicts, read)


def judge_pass(episodes: Sequence[Trajectory], ask: Ask) -> Judgement:
    """Rate the episodes that a majority calls solved (the pass rate).

    An episode without an answer is unsolved, and the judge is not asked about it. Unlike
    ToolEval's, this rate ignores whether the instruction could be carried out at all.

    Raises:
        UserError: no episode, or two of one id.
    """
    _check(episodes)
    asked = {e.id: Question(e.id, "pass", pass_prompt(e)) for e in episodes if final_answer(e)}
    replies = ask(list(asked.values()))
    votes = {id_: [read_pass(reply) for reply in replies[q]] for id_, q in asked.items()}
    verdicts = {
        e.id: {"verdict": _majority(votes[e.id], "unsure") if e.id in votes else "unsolved"}
        for e in episodes
    }
    rates = {
        name: Rate.of(v["verdict"] == name for v in verdicts.values())
        for name in ("solved", "unsolved", "unsure")
    }
    return _judgement("pass", rates, verdicts, [vote for each in votes.values() for vote in each])


def judge_win(episodes: Sequence[Trajectory], against: Sequence[Trajectory], ask: Ask) -> Judgement:
    """Rate how often the episodes are preferred to another system's on the same tasks.

    Each pair is shown in both orders, so a judge that prefers a position gives a tie: more votes
    over both orders win. Of two, one without an answer loses, and the judge is not asked.

    Raises:
        UserError: no episode, two of one id, or the two do not hold the same tasks.
    """
    _check(episodes)
    _check(against)
    other = {e.id: e for e in against}
    if unpaired := {e.id for e in episodes} ^ set(other):
        raise UserError(
            f"{min(unpaired)} is in one of the two files only ({len(unpaired)} are); a win rate "
            "compares episodes of the same tasks"
        )
    pairs = [(first, other[first.id]) for first in episodes]
    asked: dict[str, tuple[Question, Question]] = {}
    for first, second in pairs:
        if first.instruction != second.instruction:
            raise UserError(f"{first.id} has another instruction in each of the two files")
        if final_answer(first) and final_answer(second):
            asked[first.id] = (
                Question(first.id, "win", win_prompt(first, second)),
                Question(first.id, "win-swapped", win_prompt(second, first)),
            )
    replies = ask([question for both in asked.values() for question in both])
    verdicts: dict[str, dict[str, str]] = {}
    read: list[str | None] = []
    for first, second in pairs:
        if first.id not in asked:
            lead = bool(final_answer(first)) - bool(final_answer(second))
        else:
            straight, swapped = (
                [read_win(reply) for reply in replies[question]] for question in asked[first.id]
            )
            read += [*straight, *swapped]
            lead = straight.count("1") + swapped.count("2")
            lead -= straight.count("2") + swapped.count("1")
        verdicts[first.id] = {"verdict": "win" if lead > 0 else "loss" if lead < 0 else "tie"}
    rates = {
        name: Rate.of(v["verdict"] == name for v in verdicts.values())
        for name in ("win", "tie", "loss")
    }
    return _judgement("win", rates, verdicts, read)


def _majority(votes: Iterable[str | None], undecided: str) -> str:
    """Return the vote of more than half, else `undecided`; unreadable votes are undecided."""
    said = [vote or undecided for vote in votes]
    vote, count = Counter(said).most_common(1)[0]
    return vote if 2 * count > len(said) else undecided


def _judgement(
    kind: str, rates: dict[str, Rate], verdicts: Any, read: Sequence[str | None]
) -> Judgement:
    unreadable = sum(vote is None for vote in read)
    return Judgement(
        kind=kind, rates=rates, verdicts=verdicts, votes=len(read), unreadable=unreadable
    )


def _check(episodes: Sequence[Trajectory]) -> None:
    if not episodes:
        raise UserError("no episodes to judge")
    twice = [id_ for id_, count in Counter(e.id for e in episodes).items() if count > 1]
    if twice:
        raise UserError(f"two episodes have the id {twice[0]}; ids must differ")


def _episodes(path: Path) -> list[Trajectory]:
    """Return all episodes of a file or folder: one left out would change the rate."""
    loaded = load_episodes(path)
    if loaded.dropped:
        where, reason = loaded.dropped[0]
        raise UserError(f"{where}: {reason}; {len(loaded.dropped)} such rows cannot be judged")
    return loaded.trajectories
