"""Trajectories -> the rows of one job, and rows -> packs that share their system message."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from umi_lite.protocol.errors import UserError
from umi_lite.protocol.paper import render_paper
from umi_lite.protocol.prompts import Rendered, render
from umi_lite.protocol.roles import NEXT_MARK, View
from umi_lite.protocol.template import Piece
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.train.tokenizer import Language


@dataclass(frozen=True)
class Row:
    """One sample. `weights[i]` is how much token i counts in the loss, 0 where masked.

    `number` is the trajectory's place in the job's data, counted from 1. The first `shared`
    ids are the system message.
    """

    number: int
    ids: list[int]
    weights: list[float]
    shared: int

    @property
    def trained(self) -> int:
        return sum(weight > 0 for weight in self.weights)


@dataclass
class Rows:
    """The rows of a job; `truncated` are the numbers of those cut at the length limit."""

    rows: list[Row] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(len(row.ids) for row in self.rows)

    @property
    def trained(self) -> int:
        return sum(row.trained for row in self.rows)


@dataclass(frozen=True)
class Target:
    """Predict `token` from what stands at `position`; `weight` of it in the loss."""

    position: int
    token: int
    weight: float


@dataclass(frozen=True)
class Pack:
    """Rows behind one common prefix, as one sequence.

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
        """Position ids: every continuation goes on where the prefix ended."""
        places = list(range(self.prefix))
        for length in self.lengths:
            places += range(self.prefix, self.prefix + length)
        return places


def rows_of(item: Pack | Row) -> list[Row]:
    """The rows in a pack, or the one row."""
    return item.rows if isinstance(item, Pack) else [item]


def make_rows(
    trajectories: Iterable[Trajectory],
    view: View,
    language: Language,
    *,
    max_length: int,
    style: Literal["chat", "paper"] = "chat",
    decision_weight: float = 1.0,
) -> Rows:
    """The rows of a view, cut at `max_length` tokens: one for each trajectory in which it speaks.

    Args:
        style: `paper` makes a row of each turn.
        decision_weight: weight of the tokens of the planner's `Next:` word; all other trained
            tokens weigh 1.

    Raises:
        UserError: no row, or rows without a trained token (their numbers are named).
    """
    made = Rows()
    empty: list[int] = []
    for number, trajectory in enumerate(trajectories, 1):
        for sample in _render(trajectory, view, language, style):
            weights = [float(bit) for bit in sample.mask]
            if decision_weight != 1.0 and view in ("planner", "backbone"):
                _weigh_decisions(weights, sample.pieces, language, decision_weight)
            if len(sample.ids) > max_length:
                made.truncated.append(number)
            shared = min(sample.shared, max_length)
            row = Row(number, sample.ids[:max_length], weights[:max_length], shared)
            if row.trained == 0:
                empty.append(number)
            made.rows.append(row)
    if empty:
        cut = set(made.truncated)
        why = "max_length cut all of it away" if set(empty) <= cut else "the mask is empty"
        raise UserError(
            f"{view}: no token is trained in row{'s' * (len(empty) > 1)} {row_numbers(empty)}: "
            f"{why} (max_length is {max_length}); raise max_length or leave these out"
        )
    if not made.rows:
        raise UserError(f"{view}: this role speaks in none of the trajectories: nothing to train")
    return made


def _render(
    trajectory: Trajectory, view: View, language: Language, style: str
) -> Sequence[Rendered]:
    if style == "paper":
        end = language.template.end_of_turn
        return render_paper(trajectory, view, language.tokenizer, end=end, as_published=False)
    sample = render(trajectory, view, language.template, language.tokenizer)
    return [] if sample is None else [sample]


def _weigh_decisions(
    weights: list[float], pieces: Sequence[Piece], language: Language, weight: float
) -> None:
    """Raise the weight of the tokens behind `Next:` (thought is cheap, the choice is not)."""
    at = 0
    for piece in pieces:
        encode = language.tokenizer.encode
        length = len(encode(piece.text, special=piece.special)) if piece.text else 0
        head, mark, _ = piece.text.rpartition(NEXT_MARK)
        if piece.trained and mark:
            told = len(encode(head + mark.rstrip(" "), special=piece.special))
            for i in range(at + min(told, length - 1), min(at + length, len(weights))):
                weights[i] = weight
        at += length


def row_numbers(numbers: Sequence[int], most: int = 10) -> str:
    """`1, 2, 3 and 7 more`."""
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def make_packs(rows: Sequence[Row], *, length: int, seed: int, shared: bool = True) -> list[Pack]:
    """Rows with the same system message, put behind it once, up to `length` tokens a pack.

    A longer row is a pack of its own. Order and packing depend on `seed` alone, and the
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
    return [behind_one_prefix(pack) for pack in packs]


def side_by_side(rows: Sequence[Row]) -> Pack:
    """Rows that share nothing, one behind another without padding; each sees itself alone."""
    ids: list[int] = []
    targets: list[Target] = []
    for row in rows:
        targets += _targets(row, 1, len(row.ids), len(ids))
        ids += row.ids
    return Pack(ids, 0, [len(row.ids) for row in rows], targets, list(rows))


def behind_one_prefix(rows: Sequence[Row]) -> Pack:
    """Rows with the same system message, which stands there once."""
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
