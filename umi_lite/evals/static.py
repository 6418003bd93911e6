"""Static evaluation: the metrics of a whole file and of its splits, with intervals.

`static_metrics` defines a step's points. A metric is 100 times their mean over the steps that
count for it, 0 if none does.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from umi_lite.evals.static_files import GROUPS, Dialogue, Fault, Gold, Place, Prediction
from umi_lite.evals.static_metrics import METRICS, Points, points_of
from umi_lite.evals.stats import RESAMPLES, SEED, Interval, cluster_intervals
from umi_lite.protocol.trajectory import NEXTS

if TYPE_CHECKING:
    from rich.table import Table


class Mean(BaseModel):
    """A metric: `value` is 100 * `sum` / `n`, 0 if n is 0; the interval is in percent too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sum: float
    n: int
    interval: Interval | None

    @property
    def value(self) -> float:
        return 100.0 * self.sum / self.n if self.n else 0.0

    def __str__(self) -> str:
        if not self.n:
            return "-"
        if self.interval is None:
            return f"{self.value:.2f} (n={self.n})"
        return f"{self.value:.2f} ({self.interval.low:.2f}-{self.interval.high:.2f}, n={self.n})"


class StaticScore(BaseModel):
    """All metrics, and the counts they rest on.

    Attributes:
        groups: the metrics of some dialogues alone, by a field of `GROUPS` and its value.
        missing: gold steps without a prediction; `missing_why` counts those with a reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: dict[str, Mean]
    groups: dict[str, dict[str, dict[str, Mean]]]
    dialogues: int
    nexts: dict[str, int]
    missing: int
    missing_why: dict[str, int]
    malformed: tuple[Fault, ...]
    faults: tuple[Fault, ...]

    def report(self) -> dict[str, Any]:
        """Return everything as JSON values: metrics in percent, `counts` with each sum and n."""
        counts: dict[str, Any] = {
            "dialogues": self.dialogues, "steps": sum(self.nexts.values()), **self.nexts,
        }  # fmt: skip
        counts |= {name: {"sum": mean.sum, "n": mean.n} for name, mean in self.means.items()}
        return {
            **{name: mean.value for name, mean in self.means.items()},
            "counts": counts,
            "intervals": {name: mean.interval for name, mean in self.means.items()},
            "bootstrap": {"unit": "dialogue", "resamples": RESAMPLES, "seed": SEED},
            **{
                f"by_{field}": {
                    value: {name: _flat(mean) for name, mean in means.items()}
                    for value, means in values.items()
                }
                for field, values in self.groups.items()
            },
            "missing": self.missing,
            "missing_why": self.missing_why,
            "malformed": [fault._asdict() for fault in self.malformed],
            "gold_faults": [fault._asdict() for fault in self.faults],
        }


def score(
    gold: Gold, predictions: Mapping[Place, Prediction], missing_why: Iterable[str] = ()
) -> StaticScore:
    """Score predictions against the gold.

    Args:
        missing_why: for steps without a prediction, why there is none.
    """
    points = _points(gold, predictions)
    steps = gold.steps
    nexts = {who: sum(step.next == who for step in steps) for who in NEXTS}
    return StaticScore(
        means=_means(gold.dialogues, points),
        groups=_groups(gold.dialogues, points),
        dialogues=len(gold.dialogues),
        nexts=nexts,
        missing=sum(step.place not in predictions for step in steps),
        missing_why=dict(Counter(missing_why).most_common()),
        malformed=gold.malformed,
        faults=gold.faults,
    )


def dialogue_sums(
    gold: Gold, predictions: Mapping[Place, Prediction]
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Return what each dialogue adds to each metric's sum and count, for `stats.paired_p`."""
    _, sums, counts = _columns(gold.dialogues, _points(gold, predictions))
    return _turned(sums), _turned(counts)


def static_table(scored: StaticScore) -> "Table":
    """Return a table of the metrics in percent with 95% intervals, one column per group."""
    from rich.table import Table

    columns = {"all": scored.means}
    for values in scored.groups.values():
        columns |= values
    table = Table(title="static evaluation", title_justify="left")
    table.add_column("metric")
    for name in columns:
        table.add_column(name, justify="right")
    for metric in METRICS:
        table.add_row(metric, *(str(means[metric]) for means in columns.values()))
    return table


def static_notes(scored: StaticScore) -> list[str]:
    """Return one line per problem with steps or dialogues, which the table does not show."""
    notes: list[str] = []
    if scored.missing:
        steps = sum(scored.nexts.values())
        notes.append(f"{scored.missing} of {steps} steps have no prediction and count as wrong")
    notes += [f"  {count} of them: {why}" for why, count in scored.missing_why.items()]
    notes += [f"dialogue {f.dialogue} cannot be read: {f.reason}" for f in scored.malformed]
    notes += [f"dialogue {f.dialogue}, turn {f.turn}: {f.reason}" for f in scored.faults]
    return notes


def _points(gold: Gold, predictions: Mapping[Place, Prediction]) -> dict[int, list[Points]]:
    return {
        dialogue.index: [points_of(step, predictions.get(step.place)) for step in dialogue.steps]
        for dialogue in gold.dialogues
    }


def _columns(
    dialogues: Sequence[Dialogue], points: Mapping[int, Sequence[Points]]
) -> tuple[list[list[list[float]]], list[list[float]], list[list[int]]]:
    """Return, by metric and dialogue, the points that count, their sum and their number."""
    columns = [
        [[value for p in points[d.index] if (value := p[at]) is not None] for d in dialogues]
        for at in range(len(METRICS))
    ]
    sums = [[math.fsum(values) for values in column] for column in columns]
    return columns, sums, [[len(values) for values in column] for column in columns]


def _means(
    dialogues: Sequence[Dialogue], points: Mapping[int, Sequence[Points]]
) -> dict[str, Mean]:
    columns, sums, counts = _columns(dialogues, points)
    intervals = cluster_intervals(_turned(sums), _turned(counts))
    return {
        name: Mean(
            sum=math.fsum(value for values in columns[at] for value in values),
            n=sum(counts[at]),
            interval=_percent(intervals[at]),
        )
        for at, name in enumerate(METRICS)
    }


def _groups(
    dialogues: Sequence[Dialogue], points: Mapping[int, Sequence[Points]]
) -> dict[str, dict[str, dict[str, Mean]]]:
    groups: dict[str, dict[str, dict[str, Mean]]] = {}
    for field in GROUPS:
        values = sorted({d.groups[field] for d in dialogues if field in d.groups})
        for value in values:
            members = [d for d in dialogues if d.groups.get(field) == value]
            groups.setdefault(field, {})[value] = _means(members, points)
    return groups


def _turned(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """Return the columns of rows."""
    return list(zip(*rows, strict=True))


def _percent(interval: Interval | None) -> Interval | None:
    return None if interval is None else Interval(100 * interval.low, 100 * interval.high)


def _flat(mean: Mean) -> dict[str, Any]:
    return {"value": mean.value, **mean.model_dump()}
