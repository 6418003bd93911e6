"""Scores of a bundle for its model card, from files that name the weights that were measured."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from umi_lite.bundle.spec import BundleSpec
from umi_lite.errors import UserError
from umi_lite.evals.stats import Rate

MEASURED = "measured"
_AGAIN = "measure the bundle again (umi eval … --json > FILE)"
# Of a report of live tasks (`evals.live.Score.report`).
_LIVE = {"success": "success", "multi_call": "success, several calls", "decisions": "decisions"}
# What a file of a run's results may have: larger ones are not read.
_BYTES = 64 << 20


class ScoreRow(NamedTuple):
    """One line of the table: `value` and `interval` as text, `interval` of 95%."""

    tasks: str
    metric: str
    value: str
    interval: str
    n: str


def read_scores(paths: Iterable[Path], spec: BundleSpec) -> list[ScoreRow]:
    """Return the rows of files that `umi eval … --json` wrote.

    Raises:
        UserError: a file cannot be read, is not such a report, or another bundle was measured.
    """
    rows: list[ScoreRow] = []
    for path in paths:
        try:
            report = _report(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise UserError(f"--scores {path} cannot be read as JSON: {err}") from None
        measured = report.get(MEASURED) if isinstance(report, dict) else None
        if not isinstance(measured, dict) or "weights" not in measured:
            raise UserError(f"--scores {path} does not say which bundle was measured: {_AGAIN}")
        if measured["weights"] != spec.weights:
            raise UserError(
                f"--scores {path} was measured with other weights ({measured.get('bundle')}): "
                f"{_AGAIN}"
            )
        if elsewhere := measured.get("elsewhere"):
            raise UserError(
                f"--scores {path} was measured with roles that are not the bundle's "
                f"({', '.join(elsewhere)}): {_AGAIN}"
            )
        try:
            rows += _rows(report)
        except (KeyError, TypeError, AttributeError, ValidationError):
            raise UserError(f"--scores {path} is not a report of umi eval: {_AGAIN}") from None
    return rows


def scores_of_run(run_dir: Path, spec: BundleSpec) -> list[ScoreRow]:
    """Return the rows of all JSON files in a run folder that were measured with these weights."""
    rows: list[ScoreRow] = []
    for path in sorted(run_dir.glob("*.json")):
        try:
            if path.stat().st_size > _BYTES:
                continue
            report = json.loads(path.read_text(encoding="utf-8"))
            if report[MEASURED]["weights"] == spec.weights and not report[MEASURED].get(
                "elsewhere"
            ):
                rows += _rows(report)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
            continue  # another file of the run
    return list(dict.fromkeys(rows))


def _report(text: str) -> Any:
    """Return the JSON of a file, or of its last line where notes come before it."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text.strip().rpartition("\n")[2])


def _rows(report: Mapping[str, Any]) -> Iterator[ScoreRow]:
    measured = report[MEASURED]
    if "splits" in report:  # `reproduce.parts.measured`
        for split, part in report["splits"].items():
            source = measured.get("sources", {}).get(split)
            title = " · ".join(dict.fromkeys(filter(None, (source, split))))
            yield from _live(title, part)
    elif "success" in report:
        yield from _live(_title(measured), report)
    elif "intervals" in report:
        yield from _static(_title(measured), report)
    else:  # `evals.bfcl`
        for category, rate in report.items():
            if category != MEASURED:
                yield _row(_title(measured), category, Rate(**rate))


def _title(measured: Mapping[str, Any]) -> str:
    named = [str(measured[key]) for key in ("source", "split", "path") if measured.get(key)]
    more = [
        f"{key} {measured[key]}" for key in ("seed", "temperature", "votes") if measured.get(key)
    ]
    alone = ", the global adapter alone" if measured.get("single") else ""
    return " · ".join(named) + (f" ({', '.join(more)})" if more else "") + alone


def _live(title: str, report: Mapping[str, Any]) -> Iterator[ScoreRow]:
    if report.get("single"):
        title += ", the global adapter alone"
    if report.get("majority", 1) > 1:
        title += f", the majority of {report['majority']} episodes"
    for key, metric in _LIVE.items():
        if (rate := Rate(**report[key])).n:
            yield _row(title, metric, rate)


def _row(title: str, metric: str, rate: Rate) -> ScoreRow:
    interval = f"{rate.low:.1%} to {rate.high:.1%}"
    return ScoreRow(title, metric, f"{rate.rate:.1%}", interval, f"{rate.hits} of {rate.n}")


def _static(title: str, report: Mapping[str, Any]) -> Iterator[ScoreRow]:
    counts = report["counts"]
    for metric, interval in report["intervals"].items():
        shown = "-" if interval is None else f"{interval[0]:.1f}% to {interval[1]:.1f}%"
        n = f"{counts[metric]['n']} in {counts['dialogues']} dialogues"
        yield ScoreRow(title, metric, f"{report[metric]:.1f}%", shown, n)
