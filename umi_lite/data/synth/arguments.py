"""Draws the arguments of a call, so that they fit each other: spans begin before they end."""

import datetime
from collections.abc import Sequence
from typing import Any

from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.names import words
from umi_lite.data.synth.spoken import say_date
from umi_lite.data.synth.values import Drawn, draw_value
from umi_lite.data.synth.wording import SynthTool


def draw_arguments(d: Drawing, made: SynthTool, names: Sequence[str]) -> dict[str, Drawn]:
    """Return values for some of a tool's arguments, in the schema's order.

    Raises:
        CannotDraw: one of them cannot be drawn.
    """
    properties: dict[str, Any] = made.tool.parameters.get("properties", {})
    order = [
        *[name for name in properties if name in names],
        *[n for n in names if n not in properties],
    ]
    drawn: dict[str, Drawn] = {}
    for name in order:
        one = draw_value(d, name, properties.get(name, {}))
        for _ in range(5):
            if not any(
                one.value == other.value and one.kind == other.kind for other in drawn.values()
            ):
                break
            one = draw_value(d, name, properties.get(name, {}))
        drawn[name] = one
    _in_order(drawn)
    _close_together(d, drawn)
    return drawn


_ENDS = (
    ("start", "end"), ("from", "to"), ("check_in", "check_out"), ("departure", "return"),
    ("min", "max"), ("since", "until"), ("checkin", "checkout"), ("depart", "return"),
    ("begin", "end"), ("after", "before"),
)  # fmt: skip


def _in_order(drawn: dict[str, Drawn]) -> None:
    """Swap the two ends of a span where they were drawn the wrong way round."""
    for first, last in _ENDS:
        starts = [name for name in drawn if first in name.lower()]
        for start in starts:
            end = start.lower().replace(first, last)
            other = next((name for name in drawn if name.lower() == end), None)
            if other is None:
                continue
            one, two = drawn[start], drawn[other]
            comparable = one.kind == two.kind and type(one.value) is type(two.value)
            if (
                comparable
                and isinstance(one.value, str | int | float)
                and one.kind in _SPANS
                and one.value > two.value
            ):
                drawn[start], drawn[other] = two, one


def _close_together(d: Drawing, drawn: dict[str, Drawn]) -> None:
    """Draw the later end of a span of dates again where it is more than a month after the first."""
    for first, last in _ENDS:
        for start in [
            name for name, one in drawn.items() if first in name.lower() and one.kind == "date"
        ]:
            other = next(
                (n for n in drawn if n.lower() == start.lower().replace(first, last)), None
            )
            if other in (None, start) or not isinstance(drawn[start].value, str):
                continue
            try:
                begins = datetime.date.fromisoformat(drawn[start].value)
                ends = datetime.date.fromisoformat(drawn[other].value)
            except ValueError:
                continue
            if (ends - begins).days > 30:
                day = begins + datetime.timedelta(days=d.rng.randint(1, 21))
                drawn[other] = Drawn(day.isoformat(), say_date(d.rng, day), "date")


_SPANS = frozenset(
    words(
        "date time datetime amount number count measure temperature year age percent rating small"
    )
)
