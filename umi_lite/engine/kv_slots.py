"""KV-cache sequences of one context: the episode that each serves, and their order."""

from collections.abc import Iterator, Sequence

from umi_lite.engine.context import Context
from umi_lite.engine.turn import Slot


class Slots:
    """The slots of a context, and where there are several a spare sequence to move them by.

    Iterating gives the slots in the order of their sequences, without the spare.

    Args:
        context: made for `sequences(count)` sequences.
        count: how many slots.
    """

    def __init__(self, context: Context, count: int):
        self._context = context
        self._row = [Slot(i) for i in range(sequences(count))]
        self._spare = self._row[-1] if count > 1 else None

    def __iter__(self) -> Iterator[Slot]:
        return (slot for slot in self._row if slot is not self._spare)

    def cut(self, slot: Slot, keep: int) -> None:
        """Keep the first tokens of a slot; none if the model cannot forget a part."""
        if not self._context.cut(slot.index, keep):
            keep = 0
            self._context.cut(slot.index, keep)
        del slot.ids[keep:]

    def copy(self, source: Slot, target: Slot) -> None:
        """Copy what later turns can use of one slot's cache to another."""
        self._context.copy(source.index, target.index)
        target.ids = list(source.ids)
        if len(source.kept) < len(source.ids):
            self.cut(target, len(source.kept))

    def end(self, slot: Slot) -> None:
        """End a slot's turn; what only it can use is dropped."""
        if len(slot.kept) < len(slot.ids):
            self.cut(slot, len(slot.kept))
        slot.turn = None

    def gather(self, slots: Sequence[Slot]) -> None:
        """Move these slots to adjacent sequences: llama.cpp reads the weights again after a gap.

        Swapping two slots costs as much as one or two tokens of a batch (caches of 1024
        tokens), and each gap closed saves at least one in every evaluation that follows.
        """
        wanted = set(slots)
        starts = range(len(self._row) - len(slots) + 1)
        rows = [self._row[start : start + len(slots)] for start in starts]
        row = max(rows, key=lambda row: len(wanted.intersection(row)))
        # A spare's place costs one copy, another slot's two.
        holes = sorted(set(row) - wanted, key=lambda hole: (hole is not self._spare, hole.index))
        outside = [slot for slot in slots if slot not in row]
        for slot, hole in zip(outside, holes, strict=True):
            if hole is not self._spare:
                self._to_spare(hole)
            self._to_spare(slot)

    def _to_spare(self, slot: Slot) -> None:
        """Swap a slot with the spare."""
        spare = self._spare
        assert spare is not None
        self._context.copy(slot.index, spare.index)
        self._context.cut(slot.index, 0)
        self._row[slot.index], self._row[spare.index] = spare, slot
        slot.index, spare.index = spare.index, slot.index


def sequences(slots: int) -> int:
    """Return how many sequences a context of this many slots has."""
    return slots if slots == 1 else slots + 1
