"""The rows of a job from trajectories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from umi_lite.errors import UserError
from umi_lite.protocol.paper import render_paper
from umi_lite.protocol.prompts import render
from umi_lite.protocol.roles import NEXT_MARK
from umi_lite.protocol.template import Piece, Rendered
from umi_lite.protocol.trajectory import Trajectory, View
from umi_lite.train.packs import Row
from umi_lite.train.tokenizer import Language


@dataclass
class Rows:
    """The rows of a job, and those left out because they are longer than `max_length`."""

    rows: list[Row] = field(default_factory=list)
    too_long: list[Row] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(len(row.ids) for row in self.rows)

    @property
    def trained(self) -> int:
        return sum(row.trained for row in self.rows)


def make_rows(
    trajectories: Iterable[Trajectory],
    view: View,
    language: Language,
    *,
    max_length: int,
    style: Literal["chat", "paper"] = "chat",
    decision_weight: float = 1.0,
    transcript: View | None = None,
) -> Rows:
    """Return the rows of a view, one for each trajectory in which it speaks.

    Args:
        max_length: tokens; a longer row is left out: cut, it would not teach the end of a turn.
        style: `paper` makes a row of each turn.
        decision_weight: weight of the tokens of the planner's `Next:` word; all other trained
            tokens weigh 1.
        transcript: of style chat, see `view_messages`.

    Raises:
        UserError: no row, none that fits, or rows without a trained token (they are named).
    """
    made = Rows()
    for trajectory in trajectories:
        for sample in renderings(trajectory, view, language, style, transcript):
            weights = [float(bit) for bit in sample.mask]
            if decision_weight != 1.0 and view in ("planner", "backbone"):
                _weigh_decisions(weights, sample.pieces, language, decision_weight)
            row = Row(trajectory.id, sample.ids, weights, sample.shared)
            (made.rows if len(row.ids) <= max_length else made.too_long).append(row)
    if empty := [row.name for row in made.rows if row.trained == 0]:
        raise UserError(
            f"{view}: no token is trained in row{'s' * (len(empty) > 1)} {row_names(empty)}: "
            "the mask is empty; leave these out"
        )
    if not made.rows and made.too_long:
        shortest = min(len(row.ids) for row in made.too_long)
        raise UserError(
            f"{view}: all of its {len(made.too_long)} rows are longer than max_length, "
            f"{max_length} tokens (the shortest has {shortest}): raise max_length"
        )
    if not made.rows:
        raise UserError(f"{view}: this role speaks in none of the trajectories: nothing to train")
    return made


def renderings(
    trajectory: Trajectory, view: View, language: Language, style: str, transcript: View | None
) -> Sequence[Rendered]:
    """Return a view's samples of a trajectory, none where it does not speak; see `make_rows`."""
    if style == "paper":
        end = language.template.end_of_turn
        return render_paper(trajectory, view, language.tokenizer, end=end, as_published=False)
    sample = render(trajectory, view, language.template, language.tokenizer, transcript)
    return [] if sample is None else [sample]


def _weigh_decisions(
    weights: list[float], pieces: Sequence[Piece], language: Language, weight: float
) -> None:
    """Raise the weight of the tokens after `Next:`: the choice counts more than the thought."""
    at = 0
    for piece in pieces:
        encode = language.tokenizer.encode
        length = len(encode(piece.text, special=piece.special)) if piece.text else 0
        head, mark, _ = piece.text.rpartition(NEXT_MARK)
        if piece.trained and mark:
            before = len(encode(head + mark.rstrip(" "), special=piece.special))
            for i in range(at + min(before, length - 1), min(at + length, len(weights))):
                weights[i] = weight
        at += length


def row_names(names: Iterable[str], most: int = 10) -> str:
    """Return each name once: `gsm8k-train-7, gsm8k-train-9 and 7 more`."""
    once = list(dict.fromkeys(names))
    shown = ", ".join(once[:most])
    return shown if len(once) <= most else f"{shown} and {len(once) - most} more"
