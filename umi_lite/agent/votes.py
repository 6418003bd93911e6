"""Votes on a step: several samples of a plan and its call, of which the most frequent is taken.

Self-consistency (Wang et al., arXiv 2203.11171) for each step of an episode. Of calls that change
nothing the results are compared (Shi et al., arXiv 2204.11454), of all others the calls themselves:
only the one that is taken is made.
"""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from umi_lite.protocol.trajectory import Call, Observation, Step


@dataclass(frozen=True)
class Ballot:
    """One sample of a step: its choice (None if it cannot be taken), and what it led to."""

    choice: Hashable
    steps: tuple[Step, ...]
    turns: range
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


def elect(choices: Sequence[Hashable]) -> tuple[int | None, int]:
    """Return the place of the most frequent choice, the first of equally frequent ones.

    Args:
        choices: of the samples, None of those that cannot be taken.

    Returns:
        Where it is first, None if no sample can be taken; and how many agree with it.
    """
    counts = Counter(choice for choice in choices if choice is not None)
    if not counts:
        return None, 1
    choice, agreed = counts.most_common(1)[0]
    return choices.index(choice), agreed


def is_decided(choices: Sequence[Hashable], votes: int) -> bool:
    """Return whether the samples that are left of `votes` cannot change what is elected."""
    counts = Counter(choice for choice in choices if choice is not None)
    first, second = [*(count for _, count in counts.most_common(2)), 0, 0][:2]
    return first > second + votes - len(choices)
