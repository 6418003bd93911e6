"""Loss curves of a run as SVG, and `curves.html`, which reloads itself while the run is live."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape

from umi_lite.files import write_text
from umi_lite.train.distributed import is_main
from umi_lite.train.run_dir import RunDir, read_metrics

COLOURS = {"global": "#444444", "planner": "#1f77b4", "caller": "#d62728", "summarizer": "#2ca02c"}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 360, 56, 12, 28, 40
_FLOOR = 1e-4  # the loss axis is logarithmic
_POINTS = 500  # more than this a line cannot show
_RELOAD = 5  # seconds
_STYLE = """
body { font-family: sans-serif; margin: 1.5em; color: #222; background: #fafafa; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(24em, 1fr)); gap: 1em; }
section { background: white; border: 1px solid #ddd; padding: 0.8em; }
h1 { font-size: 1.2em; } h2 { font-size: 1em; margin: 0 0 0.4em; }
p { margin: 0 0 0.5em; font-size: 0.85em; } svg { width: 100%; height: auto; }
"""

Point = tuple[float, float]


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


class Page:
    """The page of one run.

    Args:
        steps: optimizer steps of each of the run's jobs, in order.
    """

    def __init__(self, run: RunDir, steps: Mapping[str, int]):
        self._run = run
        self._steps = steps
        self._written = float("-inf")

    def update(self) -> None:
        """Write the page again if it is some seconds old."""
        if time.monotonic() - self._written >= _RELOAD:
            self.write(live=True)

    def write(self, *, live: bool) -> None:
        """Write the page from the metrics files. `live`: it reloads itself."""
        self._written = time.monotonic()
        if not is_main():
            return
        jobs = "\n".join(self._job(name) for name in self._steps)
        done = all(self._run.is_done(name) for name in self._steps)
        status = "training" if live else "done" if done else "stopped: continue with --resume"
        name = escape(self._run.root.resolve().name)
        reload = f'<meta http-equiv="refresh" content="{_RELOAD}">' if live else ""
        write_text(
            self._run.root / "curves.html",
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">{reload}'
            f"<title>{name}: {status}</title><style>{_STYLE}</style></head><body>"
            f"<h1>{name}: {status}</h1><main>\n{jobs}\n</main></body></html>\n",
        )

    def _job(self, name: str) -> str:
        metrics = read_metrics(self._run.metrics(name))
        trained = [(r["step"], r["loss"]) for r in metrics]
        evaluated = [(r["step"], r["eval_loss"]) for r in read_metrics(self._run.validation(name))]
        parts = [f"step {len(metrics)} of {self._steps[name]}"]
        if metrics:
            parts.append(f"loss {trained[-1][1]:.4f}")
            parts.append(f"{metrics[-1]['tokens_per_second']:.0f} tokens/s")
        if evaluated:
            step, lowest = min(evaluated, key=lambda point: point[1])
            parts.append(f"evaluation loss {evaluated[-1][1]:.4f}")
            parts.append(f"lowest {lowest:.4f} at step {step}")
        chart = job_svg(name, trained, evaluated, self._steps[name]) if metrics else ""
        return f"<section><h2>{name}</h2><p>{', '.join(parts)}</p>{chart}</section>"


@contextmanager
def live_page(run: RunDir, steps: Mapping[str, int]) -> Iterator[Page]:
    """Keep the page live while jobs train; it stops reloading itself once they end."""
    page = Page(run, steps)
    try:
        yield page
    except BaseException:
        # The run's error is reported; a full disk would only be reported twice.
        with suppress(OSError):
            page.write(live=False)
        raise
    page.write(live=False)
