"""The loss chart of a run, as SVG without a plotting library."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

COLOURS = {"global": "#444444", "planner": "#1f77b4", "caller": "#d62728", "summarizer": "#2ca02c"}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 360, 56, 12, 28, 40
_FLOOR = 1e-4  # the loss axis is logarithmic


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The records of a metrics.jsonl; a last line that a kill cut short is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def loss_svg(losses: Mapping[str, Sequence[float]]) -> str:
    """Loss over optimizer steps, the jobs one after another.

    Args:
        losses: the loss of each step by job, in the order in which they ran.
    """
    values = [max(v, _FLOOR) for series in losses.values() for v in series]
    total = max(1, len(values))
    low = 10.0 ** math.floor(math.log10(min(values, default=0.1)))
    high = 10.0 ** math.ceil(math.log10(max(values, default=1.0)) + 1e-9)
    if high <= low:
        high = low * 10

    def x(step: float) -> float:
        return _LEFT + step / total * (_WIDTH - _LEFT - _RIGHT)

    def y(loss: float) -> float:
        share = math.log(max(loss, _FLOOR) / low) / math.log(high / low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    tick = low
    while tick <= high * 1.001:
        parts.append(
            f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
        tick *= 10
    start = 0
    for job, series in losses.items():
        colour = COLOURS.get(job, "black")
        points = " ".join(f"{x(start + i + 0.5):.1f},{y(v):.1f}" for i, v in enumerate(series))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{x(start) + 4:.1f}" y="18" fill="{colour}">{job}</text>')
        start += len(series)
        parts.append(
            f'<path d="M{x(start):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#bbbbbb"/>'
            f'<text x="{x(start):.1f}" y="{_HEIGHT - 24}" text-anchor="end">{start}</text>'
        )
    parts.append(
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        "optimizer steps (loss on trained tokens)</text></svg>\n"
    )
    return "\n".join(parts)
