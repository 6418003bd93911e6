"""The paper's step metrics of a run: what it predicted, and how variants differ in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.evals.resample import cluster_intervals, paired_p
from umi_lite.evals.static import dialogue_sums
from umi_lite.evals.static_gold import load_gold
from umi_lite.evals.static_points import METRICS
from umi_lite.evals.static_predictions import read_predictions, write_predictions
from umi_lite.reproduce.table import Planned

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.runtime.engine import Engine

STEPS = "predictions.jsonl"
Sums = tuple[list[tuple[float, ...]], list[tuple[float, ...]]]


@dataclass(frozen=True)
class StepMean:
    """A metric in percent with its 95% interval, and p of its difference from the first variant."""

    value: float
    low: float
    high: float
    p: float | None


def predicted(
    path: Path, gold: str, engine: "Callable[[], Engine]", console: "Console", *, single: bool
) -> None:
    """Let a run predict every gold step, once; a step that does not fit counts as wrong."""
    from umi_lite.local import predict_static

    if path.is_file():
        return
    with engine() as opened:
        taught = predict_static(opened, load_gold(gold), console, single=single)
    if taught.missing:
        console.print(f"{len(taught.missing)} steps without a prediction count as wrong")
    write_predictions(path, taught.predictions)


def step_rows(runs: Sequence[Planned], out: Path) -> dict[str, dict[str, StepMean]]:
    """The metrics of each variant of the table itself, its seeds' dialogues pooled."""
    by_variant: dict[str, list[Planned]] = {}
    for run in runs:
        if run.share == 1 and run.recipe.eval.static:
            by_variant.setdefault(run.variant, []).append(run)
    pooled = {variant: _sums(its, out) for variant, its in by_variant.items()}
    rows: dict[str, dict[str, StepMean]] = {}
    for variant, (sums, counts) in pooled.items():
        first = next(iter(pooled.values()))
        differs = paired_p((sums, counts), first) if rows else [None] * len(METRICS)
        intervals = cluster_intervals(sums, counts)
        rows[variant] = {}
        for at, metric in enumerate(METRICS):
            total, n = (sum(row[at] for row in table) for table in (sums, counts))
            value, interval = (100 * total / n if n else 0.0), intervals[at]
            low, high = interval or (0.0, 1.0)
            rows[variant][metric] = StepMean(value, 100 * low, 100 * high, differs[at])
    return rows


def _sums(runs: Sequence[Planned], out: Path) -> Sums:
    sums: list[tuple[float, ...]] = []
    counts: list[tuple[float, ...]] = []
    for run in runs:
        assert run.recipe.eval.static is not None
        gold = load_gold(run.recipe.eval.static)
        one, other = dialogue_sums(gold, read_predictions(out / run.name / STEPS, gold))
        sums += one
        counts += other
    return sums, counts
