"""The next batch of a view: which of the turns' tokens, and guesses, are evaluated together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from umi_lite.engine.context import Context
from umi_lite.engine.turn import Slot, Turn

# A group with less than this fraction of the busiest one's work gives way to it.
NEARLY_EMPTY = 0.15
# A turn with at most this many tokens to evaluate is batched with others, else alone.
IN_STEP = 8
# The most guesses that are evaluated with a lone turn's own tokens.
MOST_DRAFTED = 8
# The most tokens per turn, guesses included, in a batch of several turns.
MOST_IN_STEP = 4
# Reading the weights takes as long as about this many tokens of a batch (benchmarks/steps.py).
READING = 5
_Group = TypeVar("_Group")


def next_group(current: _Group | None, loads: Mapping[_Group, int]) -> _Group:
    """Return which group of turns to work on: the current one until little is left to do there.

    The others' turns gather meanwhile, and a fuller batch costs hardly more than an emptier one.

    Args:
        loads: unfinished turns per group, at least one group.
    """
    busiest = max(loads, key=loads.__getitem__)
    if current is None or loads.get(current, 0) < NEARLY_EMPTY * loads[busiest]:
        return busiest
    return current


@dataclass(eq=False)
class BatchSlice:
    """A turn's part of a batch: `count` of its pending tokens, guesses of the next ones (`ahead`),
    and `idle` padding tokens that make it as long as the others' slices."""

    slot: Slot
    turn: Turn
    count: int
    ahead: list[int] = field(default_factory=list[int])
    idle: int = 0


def divide(running: Sequence[tuple[Slot, Turn]], context: Context) -> list[BatchSlice]:
    """Return the next batch of turns that compute with the same adapters.

    A long stretch is evaluated by itself: llama.cpp cuts a batch into pieces with equally many
    tokens per sequence, and evaluates one sequence faster than as many tokens of several.
    Short stretches share a batch, with equally many tokens each.
    """
    long = [(slot, turn) for slot, turn in running if slot.stretch > IN_STEP]
    if long or len(running) == 1:
        return [_alone(*(long or running)[0], context)]
    return _in_step(running[: context.n_batch], context)


def _alone(slot: Slot, turn: Turn, context: Context) -> BatchSlice:
    count = min(slot.stretch, context.n_batch)
    part = BatchSlice(slot, turn, count)
    if count == len(turn.pending):
        guesses = turn.guess(min(_room(slot, context) - count, MOST_DRAFTED))
        part.ahead = [guess.token for guess in guesses]
    return part


def _in_step(together: Sequence[tuple[Slot, Turn]], context: Context) -> list[BatchSlice]:
    """Return slices of the width with the most expected tokens per time, padded with guesses."""
    rooms = [_room(slot, context) for slot, _ in together]
    most = max(1, min(MOST_IN_STEP, context.n_batch // len(together), *rooms))
    guesses = [turn.guess(most - len(turn.pending)) for _, turn in together]

    def promise(width: int) -> float:
        tokens = 0.0
        for (slot, _), guess in zip(together, guesses, strict=True):
            own = min(slot.stretch, width)
            tokens += own + sum(likely for _, likely in guess[: width - own])
        return tokens / (READING + width * len(together))

    width = max(range(1, most + 1), key=promise)
    slices: list[BatchSlice] = []
    for (slot, turn), guess in zip(together, guesses, strict=True):
        part = BatchSlice(slot, turn, min(slot.stretch, width))
        part.ahead = [token for token, _ in guess[: width - part.count]]
        part.idle = width - part.count - len(part.ahead)
        slices.append(part)
    return slices


def _room(slot: Slot, context: Context) -> int:
    """Return how many tokens can be evaluated after a slot's and then be forgotten."""
    if slot.save_at or not context.forgets:
        return 0
    return min(context.n_batch, context.n_ctx - len(slot.ids))
