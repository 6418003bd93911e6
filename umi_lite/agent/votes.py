"""Votes on a step: several samples of a plan and its call, of which the most frequent is taken.

Self-consistency (Wang et al., arXiv 2203.11171) for each step of an episode. Of calls that change
nothing the results are compared (Shi et al., arXiv 2204.11454), of all others the calls themselves:
only the one that is taken is made.
"""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from umi_lite.agent.transcripts import Transcripts
from umi_lite.protocol.trajectory import Call, Observation, Step, View

# Of the samples after the first where the sampling itself is greedy.
WARMER = 0.7


@dataclass(frozen=True)
class Ballot:
    """One sample of a step.

    Attributes:
        choice: equal for samples that agree; None if the sample cannot be taken.
        steps: what the episode grows by.
        transcripts: the views' transcripts after it.
        turns: the numbers of its turns in the trace.
        said: its texts, each with the role that wrote it.
        fault: why it cannot be taken.
    """

    choice: Hashable
    steps: tuple[Step, ...]
    transcripts: Transcripts
    turns: range
    said: tuple[tuple[View, str], ...]
    fault: Exception | None = None


def call_key(call: Call) -> Hashable:
    """Return what equal calls have in common, whatever the order of their arguments."""
    return call.tool, json.dumps(call.arguments, sort_keys=True)


def choice_of(steps: Sequence[Step], observation: Observation | None) -> Hashable:
    """Return what samples that agree have in common.

    Args:
        observation: the call's, if it was made for the vote; a failed one does not count.
    """
    last = steps[-1]
    if not isinstance(last, Call):
        return "next", last.model_dump_json(include={"next"})
    if observation is None:
        return "call", call_key(last)
    return None if observation.error else ("result", observation.content)


def elect(ballots: Sequence[Ballot]) -> tuple[Ballot, int]:
    """Return the first ballot with the most frequent choice, and how many agree with it.

    Where no sample can be taken it is the first one that has no fault, else the first.
    """
    counts = Counter(ballot.choice for ballot in ballots if ballot.choice is not None)
    if not counts:
        return next((each for each in ballots if each.fault is None), ballots[0]), 1
    choice, agreed = counts.most_common(1)[0]
    return next(each for each in ballots if each.choice == choice), agreed


def is_decided(ballots: Sequence[Ballot], votes: int) -> bool:
    """Return whether the samples that are left cannot change who is elected."""
    counts = Counter(ballot.choice for ballot in ballots if ballot.choice is not None)
    first, second = [*(count for _, count in counts.most_common(2)), 0, 0][:2]
    return first > second + votes - len(ballots)
