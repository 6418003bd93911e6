"""What is kept of finished runs is small, and gives the same report."""

from pathlib import Path

from finished_runs import finish

from benchmarks.study import KEPT, keep
from umi_lite.files import read_json
from umi_lite.reproduce.report import write_report
from umi_lite.reproduce.runs import finished
from umi_lite.reproduce.table import load_table, planned_runs


def test_the_report_of_what_is_kept_is_the_report_of_the_runs(tmp_path: Path) -> None:
    table = load_table("study")
    runs = planned_runs(table)[:2]
    for number, run in enumerate(runs):
        finish(run, tmp_path / "runs", solved=5 + number)
        (tmp_path / "runs" / run.name / "global" / "adapter" / "weights").write_bytes(bytes(10**6))
        keep(tmp_path / "runs" / run.name, tmp_path / "kept" / run.name)
    assert sum(path.stat().st_size for path in (tmp_path / "kept").rglob("*")) < 200_000
    for folder in ("runs", "kept"):
        write_report(table, finished(runs, tmp_path / folder), tmp_path / folder)
    assert (tmp_path / "kept" / "report.md").read_text() == (
        (tmp_path / "runs" / "report.md").read_text()
    )


def test_the_kept_runs_are_those_of_the_table() -> None:
    table = load_table("study")
    runs = finished(planned_runs(table), KEPT)
    names = {path.parent.name for path in KEPT.glob("*/recipe.yaml")}
    assert {run.name for run in runs} == names
    for run in runs:
        scores = read_json(KEPT / run.name / "scores.json")["splits"]
        assert {split: len(score["results"]) for split, score in scores.items()} == {
            "test": 400,
            "ood": 200,
        }
