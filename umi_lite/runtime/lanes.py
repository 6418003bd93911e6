"""One view's context: its cache slots, and the turns that are generated in it together."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from umi_lite.runtime.decode import Turn
from umi_lite.runtime.llama import Context
from umi_lite.runtime.request import Generation, Request

# Copying a slot's cache takes about as long as reading this many tokens.
WORTH_A_COPY = 64


@dataclass(eq=False)
class Slot:
    """One sequence of the cache. `ids` are the tokens in it, `owner` the episode it serves."""

    index: int
    ids: list[int] = field(default_factory=list[int])
    owner: Hashable = None
    turn: Turn | None = None
    used: int = 0


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many first ids are equal."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


class Lane:
    """Generates a view's turns, as many at once as there are slots.

    An episode keeps its slot from its first request until `release`, so its transcript is
    never read twice; a new episode starts from the slot with the longest common prefix, so
    neither are the system message and the tool docs.

    Args:
        context: the view's llama.cpp context.
        slots: its number of sequences.
        start: makes the Turn of a request of which so many tokens are in the cache.
    """

    def __init__(self, context: Context, slots: int, start: Callable[[Request, int], Turn]):
        self._context = context
        self._start = start
        self._slots = [Slot(i) for i in range(slots)]
        self._waiting: deque[Request] = deque()
        self._clock = 0

    @property
    def load(self) -> int:
        """How many requests are unfinished."""
        return len(self._waiting) + sum(slot.turn is not None for slot in self._slots)

    def cached(self, episode: Hashable) -> list[int]:
        """The ids in the slot of an episode, empty where it has none."""
        return [i for slot in self._slots if slot.owner == episode for i in slot.ids]

    def submit(self, request: Request) -> None:
        self._waiting.append(request)

    def release(self, episode: Hashable) -> None:
        """The episode is over: its slot serves others (and still holds its prefix)."""
        self._waiting = deque(r for r in self._waiting if r.episode != episode)
        for slot in self._slots:
            if slot.owner == episode:
                slot.owner = slot.turn = None

    def round(self) -> list[tuple[Request, Generation]]:
        """One evaluation over all active slots; what was finished by it."""
        self._admit()
        active = [slot for slot in self._slots if slot.turn is not None]
        running = [(slot, slot.turn) for slot in active if slot.turn and not slot.turn.stop]
        shares = self._shares([(slot, len(turn.pending)) for slot, turn in running])
        entries: list[tuple[int, int, int, bool]] = []
        ends: dict[int, int] = {}
        for slot, turn in running:
            share = shares[slot.index]
            whole = share == len(turn.pending)
            for offset, token in enumerate(turn.pending[:share]):
                last = whole and offset == share - 1
                entries.append((token, len(slot.ids) + offset, slot.index, last))
            if whole:
                ends[slot.index] = len(entries) - 1
        if entries:
            seconds = self._evaluate(entries, running)
            for slot, turn in running:
                share = shares[slot.index]
                if share:
                    slot.ids += turn.pending[:share]
                    turn.fed(share, seconds * share / len(entries))
            for slot, turn in running:
                if slot.index in ends:
                    turn.pick(self._context.logits(ends[slot.index]))
        return [self._finish(slot) for slot in active if slot.turn and slot.turn.stop]

    def _evaluate(
        self, entries: list[tuple[int, int, int, bool]], running: list[tuple[Slot, Turn]]
    ) -> float:
        started = time.perf_counter()
        try:
            self._context.decode(entries)
        except BaseException:
            # Interrupted or failed: the cache must not hold what the slots do not know of.
            for slot, _ in running:
                self._context.cut(slot.index, len(slot.ids))
                slot.turn = None
            raise
        return time.perf_counter() - started

    def _shares(self, wanted: list[tuple[Slot, int]]) -> dict[int, int]:
        """How many pending tokens of each slot fit this batch: short ones first."""
        room = self._context.n_batch
        shares: dict[int, int] = {}
        for slot, count in sorted(wanted, key=lambda pair: pair[1]):
            shares[slot.index] = min(count, room)
            room -= shares[slot.index]
        return shares

    def _finish(self, slot: Slot) -> tuple[Request, Generation]:
        turn = slot.turn
        assert turn is not None
        slot.turn = None
        if turn.request.episode is None:
            slot.owner = None
        return turn.request, turn.generation()

    def _admit(self) -> None:
        """Give waiting requests their slots."""
        waiting, self._waiting = self._waiting, deque()
        for request in waiting:
            slot = self._slot_for(request)
            if slot is None:
                self._waiting.append(request)
                continue
            self._clock += 1
            slot.used = self._clock
            slot.owner = request.episode if request.episode is not None else request
            # The last token is evaluated again where all are cached: its logits are needed.
            keep = min(common_prefix(slot.ids, request.ids), len(request.ids) - 1)
            if keep < len(slot.ids) and not self._context.cut(slot.index, keep):
                keep = 0
                self._context.cut(slot.index, 0)
            del slot.ids[keep:]
            slot.turn = self._start(request, keep)

    def _slot_for(self, request: Request) -> Slot | None:
        """The slot to use now, or None: there is none free, or its prefix is being read."""
        if request.episode is not None:
            for slot in self._slots:
                if slot.owner == request.episode:
                    return slot if slot.turn is None else None
        free = [slot for slot in self._slots if slot.owner is None]
        if not free:
            return None
        fits = {slot.index: common_prefix(slot.ids, request.ids) for slot in self._slots}
        source = max(self._slots, key=lambda slot: fits[slot.index])
        best = max(free, key=lambda slot: (fits[slot.index], -slot.used))
        coming = max(
            (
                common_prefix(slot.turn.request.ids, request.ids)
                for slot in self._slots
                if slot.turn is not None and len(slot.ids) < len(slot.turn.request.ids)
            ),
            default=0,
        )
        if coming >= fits[source.index] + WORTH_A_COPY:
            return None
        if fits[source.index] >= fits[best.index] + WORTH_A_COPY:
            best = min(free, key=lambda slot: slot.used)
            self._context.copy(source.index, best.index)
            best.ids = list(source.ids)
        return best

    def close(self) -> None:
        self._context.close()
