"""One view's context: its cache slots, and the turns that are generated in it together."""

import time
from collections import deque
from collections.abc import Callable, Hashable

from umi_lite.runtime.decode import Turn, common_prefix
from umi_lite.runtime.llama import Context
from umi_lite.runtime.prefixes import Prefixes
from umi_lite.runtime.request import Generation, Request
from umi_lite.runtime.shares import Share, divide
from umi_lite.runtime.slots import Slot, Slots

# Copying a slot's cache takes no longer than reading this many tokens.
WORTH_A_COPY = 16


class Lane:
    """Generates a view's turns, as many at once as there are slots.

    An episode keeps its slot from its first request until `release`, so its transcript is
    never read twice; a new episode starts from the slot with the longest common prefix, so
    neither are the system message and the tool docs.

    Args:
        context: the view's llama.cpp context.
        slots: how many episodes at once; the context has `sequences(slots)`.
        start: makes the Turn of a request of which so many tokens are in the cache.
        prefixes: where the requests' shared prefixes are kept on disk, None for nowhere.
    """

    def __init__(
        self,
        context: Context,
        slots: int,
        start: Callable[[Request, int], Turn],
        prefixes: Prefixes | None = None,
    ):
        self._context = context
        self._prefixes = prefixes
        self._start = start
        self._slots = Slots(context, slots)
        self._waiting: deque[Request] = deque()
        self._clock = 0

    @property
    def load(self) -> int:
        """How many requests are unfinished."""
        return len(self._waiting) + self.active

    @property
    def active(self) -> int:
        """How many turns are being generated."""
        return sum(slot.turn is not None for slot in self._slots)

    def cached(self, episode: Hashable) -> list[int]:
        """The ids in the slot of an episode, empty where it has none."""
        return [i for slot in self._slots if slot.owner == episode for i in slot.ids]

    def forget(self) -> None:
        """Empty the slots in which nothing is being generated."""
        for slot in self._slots:
            if slot.turn is None:
                self._slots.cut(slot, 0)

    def submit(self, request: Request) -> None:
        self._waiting.append(request)

    def release(self, episode: Hashable) -> None:
        """The episode is over: its slot serves others (and still holds its prefix)."""
        self._waiting = deque(r for r in self._waiting if r.owner != episode)
        for slot in self._slots:
            if slot.owner == episode:
                slot.owner = slot.turn = None

    def compute_on(self, threads: int) -> None:
        """Evaluate on this many threads from here on."""
        self._context.compute_on(threads)

    def round(self) -> list[tuple[Request, Generation]]:
        """One evaluation; the requests that were finished by it."""
        self._admit()
        active = [slot for slot in self._slots if slot.turn is not None]
        # A turn may be complete before its first evaluation: its grammar forces all of it.
        running = [(s, s.turn) for s in active if s.turn and not s.turn.stop]
        if running:
            shares = divide(running, self._context)
            self._slots.gather([share.slot for share in shares])
            self._evaluate(sorted(shares, key=lambda share: share.slot.index))
        return [self._finish(slot) for slot in active if slot.turn and slot.turn.stop]

    def _evaluate(self, shares: list[Share]) -> None:
        entries: list[tuple[int, int, int, bool]] = []
        picks: list[tuple[Share, int]] = []
        for share in shares:
            slot, count = share.slot, share.count
            tokens = [*share.turn.pending[:count], *share.ahead]
            if count == len(share.turn.pending):
                picks.append((share, len(entries) + count - 1))
                wanted = range(count - 1, len(tokens))
            else:
                wanted = range(0)
            tokens += tokens[-1:] * share.idle
            for i, token in enumerate(tokens):
                entries.append((token, len(slot.ids) + i, slot.index, i in wanted))
        seconds = self._decode(entries, [share.slot for share in shares])
        each = seconds / sum(share.count for share in shares)
        for share in shares:
            slot, turn, count = share.slot, share.turn, share.count
            slot.ids += turn.pending[:count]
            turn.fed(count, each * count)
            if self._prefixes is not None and slot.save_at == len(slot.ids):
                self._prefixes.save(self._context, slot.index, slot.ids)
                slot.save_at = 0
        for share, at in picks:
            share.turn.pick(self._context.logits(at))
            self._follow(share, at)
        for share in shares:
            if share.ahead or share.idle:
                self._slots.cut(share.slot, len(share.slot.ids))

    def _follow(self, share: Share, at: int) -> None:
        """Let the turn go on over its guesses, whose logits stand behind entry `at`."""
        turn, left = share.turn, share.ahead
        turn.tried(len(left))
        while left and turn.stop is None:
            same = turn.follow(left)
            share.slot.ids += left[:same]
            left = left[same:]
            at += same
            if turn.pending:
                break
            turn.pick(self._context.logits(at))

    def _decode(self, entries: list[tuple[int, int, int, bool]], slots: list[Slot]) -> float:
        """Evaluate; the cache then holds what the slots say. Seconds it took."""
        started = time.perf_counter()
        try:
            self._context.decode(entries)
        except BaseException:
            # Interrupted or failed: the cache must not hold what the slots do not know of.
            for slot in slots:
                self._slots.cut(slot, len(slot.ids))
                slot.turn = None
            raise
        return time.perf_counter() - started

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
            slot.owner = request.owner
            # The last token is evaluated again where all are cached: its logits are needed.
            keep = min(common_prefix(slot.ids, request.ids), len(request.ids) - 1)
            if keep < len(slot.ids):
                self._slots.cut(slot, keep)
            slot.save_at = 0
            if self._prefixes is not None and request.shared >= keep + WORTH_A_COPY:
                self._recall(slot, request, self._prefixes)
            slot.turn = self._start(request, len(slot.ids))

    def _recall(self, slot: Slot, request: Request, prefixes: Prefixes) -> None:
        """Take the shared prefix from the disk, or mark where it is to be saved."""
        # A copy that is still to be made would overwrite what is loaded now, or copy it.
        if self._on_disk(request) and not self._context.copying:
            shared = list(request.ids[: request.shared])
            self._slots.cut(slot, 0)
            if prefixes.load(self._context, slot.index, shared):
                slot.ids = shared
                return
        slot.save_at = request.shared

    def _on_disk(self, request: Request) -> int:
        """How many of a request's first ids are kept on disk."""
        if self._prefixes is None:
            return 0
        held = self._prefixes.holds(request.ids[: request.shared])
        return request.shared if held else 0

    def _slot_for(self, request: Request) -> Slot | None:
        """The slot to use now, or None: none is free, or what is to be in it is not ready."""
        for slot in self._slots:
            if slot.owner == request.owner:
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
        kept = max(fits[best.index], self._on_disk(request))
        copy = fits[source.index] >= kept + WORTH_A_COPY
        if coming >= max(kept, fits[source.index]) + WORTH_A_COPY:
            return None
        to_load = kept >= fits[source.index] + WORTH_A_COPY
        if to_load and self._context.copying and any(slot.turn for slot in self._slots):
            return None  # the others' next evaluation makes the copies
        if copy:
            best = min(free, key=lambda slot: slot.used)
            self._slots.copy(source, best)
        return best

    def close(self) -> None:
        self._context.close()
