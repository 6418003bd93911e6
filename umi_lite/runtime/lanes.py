"""One view's context: its cache slots, and the turns that are generated in it together."""

import time
from collections import deque
from collections.abc import Callable, Hashable

from umi_lite.runtime.decode import Turn, common_prefix
from umi_lite.runtime.llama import Context
from umi_lite.runtime.prefixes import Prefixes
from umi_lite.runtime.request import Generation, Request
from umi_lite.runtime.slots import Slot, Slots

# Copying a slot's cache takes no longer than reading this many tokens.
WORTH_A_COPY = 16
# Up to so many tokens a turn goes on in step with the others, else alone.
IN_STEP = 8
# Guesses evaluated with one turn's own tokens, at most.
MOST_DRAFTED = 8
# So few turns are sooner said one after another, each drafted, than in step.
FEW = 2


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

    def round(self) -> list[tuple[Request, Generation]]:
        """One evaluation; the requests that were finished by it."""
        self._admit()
        active = [slot for slot in self._slots if slot.turn is not None]
        # A turn may be complete before its first evaluation: its grammar forces all of it.
        running = [(s, s.turn) for s in active if s.turn and not s.turn.stop]
        if running:
            self._evaluate(self._shares(running))
        return [self._finish(slot) for slot in active if slot.turn and slot.turn.stop]

    def _shares(self, running: list[tuple[Slot, Turn]]) -> list[tuple[Slot, Turn, int]]:
        """Whose tokens are evaluated now, and how many of them.

        A long stretch is read by itself: llama.cpp cuts a batch into pieces with equally many
        tokens a sequence, and reads a stretch of one sequence faster than as much of many.
        Short ones go on in step, a token each, unless they are few and can be drafted.
        """
        long = [(slot, turn) for slot, turn in running if slot.stretch > IN_STEP]
        guessed = self._context.forgets and all(turn.guessed for _, turn in running)
        if long or len(running) <= (FEW if guessed else 1):
            slot, turn = (long or running)[0]
            return [(slot, turn, min(slot.stretch, self._context.n_batch))]
        together = running[: self._context.n_batch]
        self._slots.gather([slot for slot, _ in together])
        return sorted(((slot, turn, 1) for slot, turn in together), key=lambda one: one[0].index)

    def _evaluate(self, shares: list[tuple[Slot, Turn, int]]) -> None:
        entries: list[tuple[int, int, int, bool]] = []
        picks: list[tuple[Turn, int]] = []
        for slot, turn, share in shares:
            whole = share == len(turn.pending)
            if whole:
                picks.append((turn, len(entries) + share - 1))
            for offset, token in enumerate(turn.pending[:share]):
                last = whole and offset == share - 1
                entries.append((token, len(slot.ids) + offset, slot.index, last))
        lone, speaker, _ = shares[0]
        alone = len(shares) == len(picks) == 1 and not lone.save_at
        ahead = self._ahead(lone, speaker, entries) if alone else []
        seconds = self._decode(entries, [slot for slot, _, _ in shares])
        tokens = sum(share for _, _, share in shares)
        for slot, turn, share in shares:
            slot.ids += turn.pending[:share]
            turn.fed(share, seconds * share / tokens)
            if self._prefixes is not None and slot.save_at == len(slot.ids):
                self._prefixes.save(self._context, slot.index, slot.ids)
                slot.save_at = 0
        for turn, at in picks:
            turn.pick(self._context.logits(at))
        if ahead:
            self._follow(lone, speaker, ahead, picks[0][1])

    def _ahead(
        self, slot: Slot, turn: Turn, entries: list[tuple[int, int, int, bool]]
    ) -> list[int]:
        """A lone turn's guesses, added to the entries: together they cost little more."""
        if not self._context.forgets:
            return []
        at = entries[-1][1] + 1
        room = min(self._context.n_batch - len(entries), self._context.n_ctx - at)
        ahead = turn.ahead(min(room, MOST_DRAFTED))
        entries += [(token, at + i, slot.index, True) for i, token in enumerate(ahead)]
        return ahead

    def _follow(self, slot: Slot, turn: Turn, ahead: list[int], at: int) -> None:
        """Let the turn go on over its guesses, whose logits stand behind entry `at`; the cache
        forgets them from the first on that it does not say."""
        left = ahead
        while left and turn.stop is None:
            same = turn.follow(left)
            slot.ids += left[:same]
            left = left[same:]
            at += same
            if turn.pending:
                break
            turn.pick(self._context.logits(at))
        if left:
            self._slots.cut(slot, len(slot.ids))

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
        path = self._prefixes.path(request.ids[: request.shared])
        return request.shared if path.exists() else 0

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
