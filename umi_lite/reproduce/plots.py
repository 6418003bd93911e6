"""The report's plots, each as SVG text for a page."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from umi_lite.evals.stats import Rate
from umi_lite.reproduce.results import Outcome, ReportRow, StepMean
from umi_lite.train.curves import COLOURS

_WINDOW = 9  # steps that a point of a loss curve is the mean of


def success_plot(table: Sequence[ReportRow]) -> str:
    """Return bars of success by variant and split, with 95% intervals."""
    figure, axes = _figure(7.2, 3.4)
    splits = [split for split in table[0].rates if split != "all"]
    width = 0.8 / len(splits)
    for place, split in enumerate(splits):
        rates = [row.rates[split] for row in table]
        at = [i + (place - (len(splits) - 1) / 2) * width for i in range(len(table))]
        axes.bar(at, [100 * r.rate for r in rates], width * 0.92, label=split)
        axes.errorbar(at, [100 * r.rate for r in rates], _errors(rates), fmt="none", ecolor="black")
    axes.set_xticks(range(len(table)), [row.variant for row in table])
    axes.set_ylabel("tasks solved, %")
    axes.set_ylim(0, 100)
    axes.legend(title="split")
    return _svg(figure)


def steps_plot(table: Mapping[str, Mapping[str, StepMean]]) -> str:
    """Return bars of the paper's step metrics by variant, with 95% intervals."""
    figure, axes = _figure(7.2, 3.4)
    metrics = list(next(iter(table.values())))
    width = 0.8 / len(table)
    for place, (variant, means) in enumerate(table.items()):
        its = [means[metric] for metric in metrics]
        at = [i + (place - (len(table) - 1) / 2) * width for i in range(len(metrics))]
        axes.bar(at, [mean.value for mean in its], width * 0.92, label=variant)
        errors = [[m.value - m.low for m in its], [m.high - m.value for m in its]]
        errors = [[max(0.0, e) for e in side] for side in errors]
        axes.errorbar(at, [mean.value for mean in its], errors, fmt="none", ecolor="black")
    axes.set_xticks(range(len(metrics)), metrics)
    axes.set_ylabel("percent")
    axes.legend(fontsize=7)
    return _svg(figure)


def scaling_plot(points: dict[str, list[tuple[float, Rate]]]) -> str:
    """Return success over the tokens trained on, with 95% intervals."""
    figure, axes = _figure(7.2, 3.4)
    for variant, its in points.items():
        rates = [rate for _, rate in its]
        tokens = [x for x, _ in its]
        _points(axes, tokens, rates, label=variant)
    axes.set_xlabel("trained tokens")
    axes.set_ylabel("tasks solved, %")
    axes.set_ylim(bottom=0)
    axes.legend()
    return _svg(figure)


def capacity_plot(points: Mapping[str, Sequence[tuple[int, Mapping[str, Rate]]]]) -> str:
    """Return success over the adapters' rank, with 95% intervals: a panel per split."""
    splits = [split for split in next(iter(points.values()))[0][1] if split != "all"]
    figure, panels = _figure(7.2, 3.0 * ((len(splits) + 1) // 2), rows=(len(splits) + 1) // 2)
    flat = list(panels.flat)
    for panel, split in zip(flat, splits, strict=False):
        for variant, its in points.items():
            rates = [by_split[split] for _, by_split in its]
            _points(panel, [rank for rank, _ in its], rates, label=variant)
        panel.set_xscale("log", base=2)
        panel.set_title(split, fontsize=9)
        panel.set_ylim(bottom=0)
        panel.legend(fontsize=7)
    for panel in flat[len(splits) :]:
        panel.axis("off")
    figure.supxlabel("rank of the adapters", fontsize=9)
    figure.supylabel("tasks solved, %", fontsize=9)
    return _svg(figure)


def curves_plot(outcomes: Sequence[Outcome]) -> str:
    """Return loss over trained tokens: a panel per variant, a line per job (mean of 9 steps)."""
    whole = [one for one in outcomes if one.run.is_main]
    whole = [one for one in whole if one.run.seed == whole[0].run.seed]
    figure, panels = _figure(7.2, 2.0 * ((len(whole) + 1) // 2), rows=(len(whole) + 1) // 2)
    flat = list(panels.flat)
    for panel, one in zip(flat, whole, strict=False):
        start = 0.0
        for job, curve in one.curves.items():
            losses = [loss for _, loss in curve]
            mean = [_mean(losses[max(0, i - _WINDOW + 1) : i + 1]) for i in range(len(losses))]
            panel.plot([start + x for x, _ in curve], mean, label=job, color=COLOURS.get(job))
            start += curve[-1][0]
        panel.set_yscale("log")
        panel.set_title(one.run.variant, fontsize=9)
        panel.legend(fontsize=7)
    for panel in flat[len(whole) :]:
        panel.axis("off")
    figure.supxlabel("trained tokens", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    return _svg(figure)


def cost_plot(table: Sequence[ReportRow]) -> str:
    """Return success over the seconds of training."""
    figure, axes = _figure(7.2, 3.4)
    for row in table:
        rate = row.rates["all"]
        seconds = _mean([cost.seconds for cost in row.costs])
        _points(axes, [seconds], [rate])
        axes.annotate(row.variant, (seconds, 100 * rate.rate), (6, 4), textcoords="offset points")
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("tasks solved, %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.2)
    return _svg(figure)


def _figure(width: float, height: float, rows: int | None = None) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    if rows:
        return figure, figure.subplots(rows, 2, squeeze=False)
    axes = figure.subplots()
    axes.grid(axis="y", alpha=0.3)
    return figure, axes


def _points(axes: Any, x: Sequence[float], rates: Sequence[Rate], **how: Any) -> None:
    """Draw rates in percent over x, each with its interval."""
    heights = [100 * rate.rate for rate in rates]
    axes.errorbar(x, heights, _errors(rates), marker="o", capsize=3, **how)


def _errors(rates: Sequence[Rate]) -> list[list[float]]:
    below = [100 * max(0.0, rate.rate - rate.low) for rate in rates]
    return [below, [100 * max(0.0, rate.high - rate.rate) for rate in rates]]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _svg(figure: Any) -> str:
    """Return the figure without the XML head, which a page must not contain."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "umi"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
