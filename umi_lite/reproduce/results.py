"""Results of a table's runs, read from their folders, as rows of its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.evals.static import dialogue_sums
from umi_lite.evals.static_files import load_gold, read_predictions
from umi_lite.evals.static_metrics import METRICS
from umi_lite.evals.stats import Paired, Rate, cluster_intervals, holm, mcnemar, paired_p
from umi_lite.files import read_json
from umi_lite.reproduce.table import Planned
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir, read_metrics

DONE = "measured.json"
"""When and on which machine a finished run was measured; there when all else of it is."""
STEPS = "predictions.jsonl"
Sums = tuple[list[tuple[float, ...]], list[tuple[float, ...]]]


@dataclass(frozen=True)
class StepMean:
    """A metric in percent with its 95% interval, and p of its difference from the first variant."""

    value: float
    low: float
    high: float
    p: float | None


def step_rows(runs: Sequence[Planned], out: Path) -> dict[str, dict[str, StepMean]]:
    """Return each variant's metrics, the dialogues of its seeds pooled; no scaling runs."""
    by_variant: dict[str, list[Planned]] = {}
    for run in runs:
        if run.is_main and run.recipe.eval.static:
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


SCORES = "scores.json"
Task = tuple[int, str, str]
"""Seed, split, id."""


@dataclass(frozen=True)
class Cost:
    """What training and evaluation took.

    Attributes:
        trained: tokens that counted in the loss.
        read: tokens that went through the model.
        seconds: of training.
        peak_memory: bytes.
        adapter_bytes: of all adapters, as f16 GGUF.
        task_seconds: seconds per evaluated task.
        task_tokens: generated tokens per evaluated task.
    """

    trained: int
    read: int
    seconds: float
    peak_memory: int
    adapter_bytes: int
    task_seconds: float
    task_tokens: float


@dataclass(frozen=True)
class Outcome:
    """One run: `solved` by task (none where only steps were measured), the loss curve of each
    job, and what it cost.
    """

    run: Planned
    solved: dict[Task, bool]
    curves: dict[str, list[tuple[float, float]]]
    cost: Cost


@dataclass(frozen=True)
class ReportRow:
    """A variant over all its seeds.

    Attributes:
        rates: success by split, and of all splits.
        versus: its test against the first variant; None for that one.
        holm: p of that test, corrected for the number of variants (`evals.stats.holm`).
    """

    variant: str
    rates: dict[str, Rate]
    versus: Paired | None
    holm: float | None
    costs: list[Cost]


def outcome(run: Planned, out: Path) -> Outcome:
    """Return the results of one finished run from its folder below `out`."""
    folder = RunDir(out / run.name)
    scores = read_json(folder.root / SCORES)
    results = {split: score["results"] for split, score in scores.get("splits", {}).items()}
    solved = {
        (run.seed, split, result["id"]): bool(result["ok"])
        for split, part in results.items()
        for result in part
    }
    jobs = {job.name: read_metrics(folder.metrics(job.name)) for job in plan(run.recipe)}
    every = [result for part in results.values() for result in part]
    bundle = read_json(folder.root / "bundle" / "bundle.json")
    files = {file["sha256"]: file["size"] for file in bundle["views"].values()}
    return Outcome(
        run,
        solved,
        {name: [(r["trained_tokens"], r["loss"]) for r in steps] for name, steps in jobs.items()},
        Cost(
            trained=_last(jobs, "trained_tokens"),
            read=_last(jobs, "tokens"),
            seconds=_last(jobs, "seconds"),
            peak_memory=max(int(r["peak_memory"]) for steps in jobs.values() for r in steps),
            adapter_bytes=sum(files.values()),
            task_seconds=scores["seconds"] / len(every) if every else 0.0,
            task_tokens=sum(result["tokens"] for result in every) / max(1, len(every)),
        ),
    )


def _last(jobs: dict[str, list[dict[str, Any]]], key: str) -> Any:
    return sum(steps[-1][key] for steps in jobs.values())


def rows(outcomes: Sequence[Outcome]) -> list[ReportRow]:
    """Return the table's rows in its order; the others are tested against the first variant.

    Tasks of several seeds are pooled: each (seed, task) is one pair of the test.
    """
    by_variant: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if one.run.is_main:
            by_variant.setdefault(one.run.variant, []).append(one)
    pooled = {variant: _pooled(its) for variant, its in by_variant.items()}
    first, *others = pooled.values()
    tests: list[Paired] = []
    for solved in others:
        both = [task for task in first if task in solved]
        tests.append(mcnemar([solved[task] for task in both], [first[task] for task in both]))
    tested = [(None, None), *zip(tests, holm([paired.p for paired in tests]), strict=True)]
    return [
        ReportRow(variant, _rates(pooled[variant]), versus, corrected, [one.cost for one in its])
        for (variant, its), (versus, corrected) in zip(by_variant.items(), tested, strict=True)
    ]


def _pooled(outcomes: Sequence[Outcome]) -> dict[Task, bool]:
    return {task: ok for one in outcomes for task, ok in one.solved.items()}


def capacity(outcomes: Sequence[Outcome]) -> dict[str, list[tuple[int, dict[str, Rate]]]]:
    """Return success by split over the adapters' rank, for variants that had other ranks too."""
    ranked = {one.run.variant for one in outcomes if one.run.rank is not None}
    points: dict[str, dict[int, list[Outcome]]] = {}
    for one in outcomes:
        if one.run.variant in ranked and one.run.share == 1:
            rank = one.run.recipe.lora.r
            points.setdefault(one.run.variant, {}).setdefault(rank, []).append(one)
    return {
        variant: [(rank, _rates(_pooled(its))) for rank, its in sorted(by_rank.items())]
        for variant, by_rank in points.items()
    }


def _rates(solved: Mapping[Task, bool]) -> dict[str, Rate]:
    """Return success by split, and of all splits."""
    splits = dict.fromkeys(split for _, split, _ in solved)
    rates = {s: Rate.of(ok for (_, split, _), ok in solved.items() if split == s) for s in splits}
    rates["all"] = Rate.of(solved.values())
    return rates


def scaling(outcomes: Sequence[Outcome]) -> dict[str, list[tuple[float, Rate]]]:
    """Return success over trained tokens, for variants that were trained on shares too."""
    scaled = {one.run.variant for one in outcomes if one.run.share != 1}
    outcomes = [one for one in outcomes if one.run.rank is None]
    points: dict[str, dict[float, list[Outcome]]] = {}
    for one in outcomes:
        if one.run.variant in scaled:
            points.setdefault(one.run.variant, {}).setdefault(one.run.share, []).append(one)
    return {
        variant: [
            (
                sum(one.cost.trained for one in its) / len(its),
                Rate.of(_pooled(its).values()),
            )
            for _, its in sorted(by_share.items())
        ]
        for variant, by_share in points.items()
    }
