"""Scheduler of one view: which turns share the next batch, and which slot each uses."""

import time
from collections import deque
from collections.abc import Callable, Hashable

from umi_lite.engine.batch import BatchSlice, divide, next_group
from umi_lite.engine.context import Context
from umi_lite.engine.kv_slots import Slots
from umi_lite.engine.llama import Adapters
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Slot, Turn, common_prefix

# Copying a slot's cache takes no longer than reading this many tokens.
WORTH_A_COPY = 16
# After this many interrupted evaluations one is finished, however many clients leave.
_MOST_INTERRUPTED = 4


class ViewScheduler:
    """Generates a view's turns, as many at once as there are slots.

    An episode keeps its slot from its first request until `release`, so its transcript is
    evaluated once; a new episode starts from the slot with the longest common prefix, so the
    system message and the tool docs are evaluated once, too.

    All tokens of one evaluation are computed with the same adapters. What a turn computed with
    adapters of its own leaves the cache with its end: later turns read its tokens as context.

    Args:
        context: the view's llama.cpp context.
        slots: how many episodes at once; the context has `sequences(slots)`.
        start: makes a Turn from (request, number of its tokens in the cache).
        prefixes: the requests' shared prefixes on disk, None for no such cache.
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
        self._speaking: Adapters | None = None
        self._clock = 0
        self._interrupted = 0  # evaluations since the last finished one

    @property
    def load(self) -> int:
        """Return how many requests are unfinished."""
        return len(self._waiting) + self.active

    @property
    def active(self) -> int:
        """Return how many turns are being generated."""
        return sum(slot.turn is not None for slot in self._slots)

    def cached(self, episode: Hashable) -> list[int]:
        """Return the ids in an episode's slot, [] if it has none."""
        return [i for slot in self._slots if slot.owner == episode for i in slot.ids]

    def forget(self) -> None:
        """Empty the idle slots."""
        for slot in self._slots:
            if slot.turn is None:
                self._slots.cut(slot, 0)

    def submit(self, request: Request) -> None:
        self._waiting.append(request)

    def release(self, episode: Hashable) -> None:
        """Free an episode's slot for others; its prefix stays in the cache."""
        self._waiting = deque(r for r in self._waiting if r.owner != episode)
        for slot in self._slots:
            if slot.owner == episode:
                self._slots.end(slot)
                slot.owner = None

    def interrupt(self) -> None:
        """Stop the evaluation in progress; the next round repeats it."""
        if self._interrupted < _MOST_INTERRUPTED:
            self._context.interrupt()

    def compute_on(self, threads: int) -> None:
        """Set the number of threads from now on."""
        self._context.compute_on(threads)

    def round(self) -> list[tuple[Request, Generation]]:
        """Run one evaluation; return the requests finished by it."""
        self._admit()
        active = [slot for slot in self._slots if slot.turn is not None]
        # A turn may be complete before its first evaluation: its grammar forces all of it.
        running = [(s, s.turn) for s in active if s.turn and not s.turn.stop]
        if running:
            slices = divide(self._group(running), self._context)
            self._context.use(slices[0].turn.active)
            self._slots.gather([part.slot for part in slices])
            self._evaluate(sorted(slices, key=lambda part: part.slot.index))
        return [self._finish(slot) for slot in active if slot.turn and slot.turn.stop]

    def _group(self, running: list[tuple[Slot, Turn]]) -> list[tuple[Slot, Turn]]:
        """Return the turns to evaluate now: those of one speaker, where some still read these."""
        groups: dict[Adapters, list[tuple[Slot, Turn]]] = {}
        for slot, turn in running:
            groups.setdefault(turn.adapters.own, []).append((slot, turn))
        loads = {adapters: len(group) for adapters, group in groups.items()}
        self._speaking = next_group(self._speaking, loads)
        group = groups[self._speaking]
        return [(slot, turn) for slot, turn in group if turn.active != self._speaking] or group

    def _evaluate(self, slices: list[BatchSlice]) -> None:
        entries: list[tuple[int, int, int, bool]] = []
        picks: list[tuple[BatchSlice, int]] = []
        for part in slices:
            slot, count = part.slot, part.count
            tokens = [*part.turn.pending[:count], *part.ahead]
            if count == len(part.turn.pending):
                picks.append((part, len(entries) + count - 1))
                wanted = range(count - 1, len(tokens))
            else:
                wanted = range(0)
            tokens += tokens[-1:] * part.idle
            for i, token in enumerate(tokens):
                entries.append((token, len(slot.ids) + i, slot.index, i in wanted))
        seconds = self._decode(entries, [part.slot for part in slices])
        if seconds is None:
            return
        each = seconds / sum(part.count for part in slices)
        for part in slices:
            slot, turn, count = part.slot, part.turn, part.count
            slot.ids += turn.pending[:count]
            turn.fed(count, each * count)
            if self._prefixes is not None and slot.save_at == len(slot.ids):
                self._prefixes.save(self._context, slot.index, slot.ids)
                slot.save_at = 0
        for part, at in picks:
            part.turn.pick(self._context.logits(at))
            self._follow(part, at)
        for part in slices:
            if part.ahead or part.idle:
                self._slots.cut(part.slot, len(part.slot.ids))

    def _follow(self, part: BatchSlice, at: int) -> None:
        """Continue the turn over its guesses, whose logits come after entry `at`."""
        turn, left = part.turn, part.ahead
        turn.tried(len(left))
        while left and turn.stop is None:
            same = turn.follow(left)
            part.slot.ids += left[:same]
            left = left[same:]
            at += same
            if turn.pending:
                break
            turn.pick(self._context.logits(at))

    def _decode(self, entries: list[tuple[int, int, int, bool]], slots: list[Slot]) -> float | None:
        """Evaluate the entries; return the seconds it took, None if it was interrupted."""
        started = time.perf_counter()
        try:
            if self._context.decode(entries):
                self._interrupted += 1
                for slot in slots:
                    self._slots.cut(slot, len(slot.ids))
                return None
        except BaseException:
            # Interrupted or failed: the cache must not hold tokens that the slots do not list.
            for slot in slots:
                self._slots.cut(slot, len(slot.ids))
                self._slots.end(slot)
            raise
        self._interrupted = 0
        return time.perf_counter() - started

    def _finish(self, slot: Slot) -> tuple[Request, Generation]:
        turn = slot.turn
        assert turn is not None
        self._slots.end(slot)
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
            # The last token is evaluated with its turn's adapters, so it is never saved.
            shared = request.shared if request.shared < len(request.ids) else 0
            if self._prefixes is not None and shared >= keep + WORTH_A_COPY:
                self._recall(slot, request, self._prefixes)
            slot.turn = self._start(request, len(slot.ids))

    def _recall(self, slot: Slot, request: Request, prefixes: Prefixes) -> None:
        """Load the shared prefix from disk, or mark where it is to be saved."""
        # A pending copy would overwrite what is loaded now, or copy it.
        if self._on_disk(request) and not self._context.copying:
            shared = list(request.ids[: request.shared])
            self._slots.cut(slot, 0)
            if prefixes.load(self._context, slot.index, shared):
                slot.ids = shared
                return
        slot.save_at = request.shared

    def _on_disk(self, request: Request) -> int:
        """Return how many of a request's first ids are in the disk cache."""
        if self._prefixes is None:
            return 0
        held = self._prefixes.holds(request.ids[: request.shared])
        return request.shared if held else 0

    def _slot_for(self, request: Request) -> Slot | None:
        """Return the slot to use now; None if none is free or its content is not ready."""
        for slot in self._slots:
            if slot.owner == request.owner:
                return slot if slot.turn is None else None
        free = [slot for slot in self._slots if slot.owner is None]
        if not free:
            return None
        fits = {slot.index: common_prefix(slot.kept, request.ids) for slot in self._slots}
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
