"""Whose tokens a view evaluates next, and how many of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from umi_lite.runtime.decode import Turn
from umi_lite.runtime.llama import Context
from umi_lite.runtime.slots import Slot

# Up to so many tokens a turn goes on in step with the others, else alone.
IN_STEP = 8
# Guesses evaluated with a lone turn's own tokens, at most.
MOST_DRAFTED = 8
# Tokens of a turn that goes on in step with others, guesses among them, at most.
MOST_IN_STEP = 4
# Reading the weights takes about as long as this many tokens of a batch (benchmarks/steps.py).
READING = 5


@dataclass(eq=False)
class Share:
    """A turn's part of an evaluation: so many of its pending tokens, guesses of those behind
    them, and so many idle tokens that make it as long as the others' parts."""

    slot: Slot
    turn: Turn
    count: int
    ahead: list[int] = field(default_factory=list[int])
    idle: int = 0


def divide(running: Sequence[tuple[Slot, Turn]], context: Context) -> list[Share]:
    """The next evaluation of a view's turns.

    A long stretch is read by itself: llama.cpp cuts a batch into pieces with equally many
    tokens a sequence, and reads a stretch of one sequence faster than as much of many.
    Short ones go on in step, equally many tokens each.
    """
    long = [(slot, turn) for slot, turn in running if slot.stretch > IN_STEP]
    if long or len(running) == 1:
        return [_alone(*(long or running)[0], context)]
    return _in_step(running[: context.n_batch], context)


def _alone(slot: Slot, turn: Turn, context: Context) -> Share:
    count = min(slot.stretch, context.n_batch)
    share = Share(slot, turn, count)
    if count == len(turn.pending):
        guesses = turn.guess(min(_room(slot, context) - count, MOST_DRAFTED))
        share.ahead = [guess.token for guess in guesses]
    return share


def _in_step(together: Sequence[tuple[Slot, Turn]], context: Context) -> list[Share]:
    """As many tokens each as promise the most for the time they take; a turn that has fewer
    is given guesses, and tokens that are forgotten again."""
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
    shares: list[Share] = []
    for (slot, turn), guess in zip(together, guesses, strict=True):
        share = Share(slot, turn, min(slot.stretch, width))
        share.ahead = [token for token, _ in guess[: width - share.count]]
        share.idle = width - share.count - len(share.ahead)
        shares.append(share)
    return shares


def _room(slot: Slot, context: Context) -> int:
    """How many tokens can be evaluated behind a slot's and be forgotten."""
    if slot.save_at or not context.forgets:
        return 0
    return min(context.n_batch, context.n_ctx - len(slot.ids))
