"""Rows, and packs of rows that share their system message."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Row:
    """One sample. `weights[i]` is how much token i counts in the loss, 0 where masked.

    `name` is the trajectory's id, which names its location in its source. The first `shared`
    ids are the system message.
    """

    name: str
    ids: list[int]
    weights: list[float]
    shared: int

    @property
    def trained(self) -> int:
        return sum(weight > 0 for weight in self.weights)


class Collator(Protocol):
    """How the loss of rows is computed: the passes of a micro-batch through the model."""

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the model's arguments, and `labels`."""
        ...

    def before(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run the passes without gradients; return the arguments of the one with them.

        Args:
            inputs: on the model's device.
        """
        ...

    def free(self) -> bool:
        """Free what is kept to save time; True if there was any."""
        ...


@dataclass(frozen=True)
class Target:
    """Target `token`, predicted at `position`, with loss weight `weight`."""

    position: int
    token: int
    weight: float


@dataclass(frozen=True)
class Pack:
    """Rows with one common prefix, as one sequence.

    `lengths` are the continuations' lengths; each of them attends to the prefix and itself.
    """

    ids: list[int]
    prefix: int
    lengths: list[int]
    targets: list[Target]
    rows: list[Row]

    @property
    def trained(self) -> int:
        return len(self.targets)

    @property
    def positions(self) -> list[int]:
        """Position ids: every continuation starts where the prefix ended."""
        places = list(range(self.prefix))
        for length in self.lengths:
            places += range(self.prefix, self.prefix + length)
        return places


def rows_of(item: Pack | Row) -> list[Row]:
    """Return the rows in a pack, or the one row."""
    return item.rows if isinstance(item, Pack) else [item]


def make_packs(rows: Sequence[Row], *, length: int, seed: int, shared: bool = True) -> list[Pack]:
    """Pack rows with the same system message, which appears once, up to `length` tokens per pack.

    A longer row is its own pack. Order and packing depend on `seed` alone, and the
    packs hold every row once.

    Args:
        shared: False makes a pack of every row.
    """
    order = list(rows)
    chance = random.Random(seed)
    chance.shuffle(order)
    packs: list[list[Row]] = []
    open_packs: dict[tuple[int, ...], tuple[list[Row], int]] = {}
    for row in order:
        prefix = tuple(row.ids[: row.shared])
        size = len(row.ids) - row.shared
        pack, used = open_packs.get(prefix, ([], length))
        if not shared or used + size > length:
            pack, used = [], row.shared
            packs.append(pack)
        pack.append(row)
        open_packs[prefix] = (pack, used + size)
    chance.shuffle(packs)
    return [join_at_prefix(pack) for pack in packs]


def join_rows(rows: Sequence[Row]) -> Pack:
    """Join rows that share nothing, without padding; each sees itself alone."""
    ids: list[int] = []
    targets: list[Target] = []
    for row in rows:
        targets += _targets(row, 1, len(row.ids), len(ids))
        ids += row.ids
    return Pack(ids, 0, [len(row.ids) for row in rows], targets, list(rows))


def join_at_prefix(rows: Sequence[Row]) -> Pack:
    """Join rows with the same system message, which appears once."""
    prefix = rows[0].shared
    ids = rows[0].ids[:prefix]
    targets = _targets(rows[0], 1, prefix, 0)
    for row in rows:
        # The first token of a continuation is predicted from the prefix's last one.
        if row.weights[prefix : prefix + 1] and row.weights[prefix]:
            targets.append(Target(prefix - 1, row.ids[prefix], row.weights[prefix]))
        targets += _targets(row, prefix + 1, len(row.ids), len(ids) - prefix)
        ids = ids + row.ids[prefix:]
    lengths = [len(row.ids) - prefix for row in rows]
    return Pack(ids, prefix, lengths, targets, list(rows))


def _targets(row: Row, start: int, stop: int, shift: int) -> list[Target]:
    return [
        Target(i - 1 + shift, row.ids[i], row.weights[i])
        for i in range(start, stop)
        if row.weights[i]
    ]
