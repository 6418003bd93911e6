"""The loss charts of a run, as SVG without a plotting library."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLOURS = {"global": "#444444", "planner": "#1f77b4", "caller": "#d62728", "summarizer": "#2ca02c"}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 360, 56, 12, 28, 40
_FLOOR = 1e-4  # the loss axis is logarithmic
_POINTS = 500  # more than this a line cannot show

Point = tuple[float, float]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the records of a metrics.jsonl, without a last line that a kill cut short."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


@dataclass(frozen=True)
class _Axes:
    """Steps from 0 to `total`, losses from `low` to `high`, both powers of ten."""

    total: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return _LEFT + step / self.total * (_WIDTH - _LEFT - _RIGHT)

    def y(self, loss: float) -> float:
        share = math.log(max(loss, _FLOOR) / self.low) / math.log(self.high / self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def points(self, line: Iterable[Point]) -> str:
        return " ".join(f"{self.x(step):.1f},{self.y(loss):.1f}" for step, loss in line)

    def frame(self) -> list[str]:
        """Return the opening tag, the background, and a line for each power of ten."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        ]
        tick = self.low
        while tick <= self.high * 1.001:
            y = self.y(tick)
            parts.append(
                f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
            )
            tick *= 10
        return parts

    def mark(self, step: int) -> str:
        """Return a step's number below the axis and a line up from it."""
        return (
            f'<path d="M{self.x(step):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#bbbbbb"/>'
            f'<text x="{self.x(step):.1f}" y="{_HEIGHT - 24}" text-anchor="end">{step}</text>'
        )


def _axes(losses: Iterable[float], total: float) -> _Axes:
    values = [max(loss, _FLOOR) for loss in losses]
    low = 10.0 ** math.floor(math.log10(min(values, default=0.1)))
    high = 10.0 ** math.ceil(math.log10(max(values, default=1.0)) + 1e-9)
    return _Axes(max(1.0, total), low, max(high, low * 10))


def _below(text: str) -> str:
    return f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{text}</text></svg>\n'


def loss_svg(losses: Mapping[str, Sequence[float]]) -> str:
    """Draw loss over optimizer steps, the jobs one after another.

    Args:
        losses: the loss of each step by job, in the order in which they ran.
    """
    values = [v for series in losses.values() for v in series]
    axes = _axes(values, len(values))
    parts = axes.frame()
    start = 0
    for job, series in losses.items():
        colour = COLOURS.get(job, "black")
        points = axes.points((start + i + 0.5, v) for i, v in enumerate(series))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{axes.x(start) + 4:.1f}" y="18" fill="{colour}">{job}</text>')
        start += len(series)
        parts.append(axes.mark(start))
    parts.append(_below("optimizer steps (loss on trained tokens)"))
    return "\n".join(parts)


def job_svg(job: str, trained: Sequence[Point], evaluated: Sequence[Point], steps: int) -> str:
    """Draw one job's training loss (a line) and evaluation loss (dots with a dashed line).

    Args:
        trained: (step, loss), the step counted from 1.
        evaluated: likewise; step 0 is before the first one.
        steps: of the whole job, done or not.
    """
    shown = [point for point in evaluated if math.isfinite(point[1])]
    axes = _axes([loss for _, loss in (*trained, *shown)], steps)
    colour = COLOURS.get(job, "black")
    parts = axes.frame()
    parts.append(axes.mark(steps))
    line = axes.points(_thinned(trained))
    parts.append(f'<polyline class="training" points="{line}" fill="none" stroke="{colour}"/>')
    if shown:
        line = axes.points(shown)
        parts.append(
            f'<polyline class="evaluation" points="{line}" fill="none" stroke="#e08214" '
            'stroke-width="2" stroke-dasharray="5 3"/>'
        )
        parts += [
            f'<circle cx="{axes.x(step):.1f}" cy="{axes.y(loss):.1f}" r="3" fill="#e08214">'
            f"<title>step {step}: {loss:.4f}</title></circle>"
            for step, loss in shown
        ]
    parts.append(f'<text x="{_LEFT}" y="18" fill="{colour}">training loss</text>')
    if shown:
        parts.append(f'<text x="{_LEFT + 90}" y="18" fill="#e08214">evaluation loss</text>')
    parts.append(_below("optimizer steps"))
    return "\n".join(parts)


def _thinned(line: Sequence[Point]) -> list[Point]:
    """Average neighbours, so that a long run's page stays small."""
    width = -(-len(line) // _POINTS) or 1
    parts = [line[i : i + width] for i in range(0, len(line), width)]
    return [
        (sum(step for step, _ in part) / len(part), sum(loss for _, loss in part) / len(part))
        for part in parts
    ]
