"""The report of runs whose outcome is known: figures, plots, recipes, a page that stands alone."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browser import said_by

from umi_lite.errors import UserError
from umi_lite.reproduce.report import write_report
from umi_lite.reproduce.results import DONE, capacity, outcome, rows
from umi_lite.reproduce.runs import finished
from umi_lite.reproduce.table import Planned, Table, load_table, planned_runs
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir

TABLE = """
name: known
recipe: toolworld/smollm2-135m
override: {data: [{source: toolworld, split: train, n: 80}]}
variants: {glpft: {}, one-stage: {}, multi-task: {}, single: {}}
scaling: {variants: [glpft, single], shares: [0.5]}
capacity: {variants: [glpft, single], ranks: [4]}
paper: 7B, out-of-domain
"""
MADE = {"date": "2026-11-30", "system": "Linux", "cpu": "a CPU", "cores": 4}
SOLVED = {"glpft": 9, "one-stage": 2, "multi-task": 3, "single": 8}


def _finish(run: Planned, out: Path) -> None:
    """Write what a finished run leaves: metrics, scores of ten tasks, a bundle's list of files."""
    folder = RunDir(out / run.name)
    folder.create(run.recipe)
    for job in plan(run.recipe):
        folder.adapter(job.name).mkdir(parents=True)
        records = [
            {
                "step": step,
                "loss": 2.0 / step,
                "tokens": 500 * step,
                "trained_tokens": 100 * step,
                "seconds": 3.0 * step,
                "peak_memory": 10**9 + step,
            }
            for step in range(1, 11)
        ]
        folder.metrics(job.name).write_text("".join(json.dumps(r) + "\n" for r in records))
    solved = round(SOLVED[run.variant] * run.share * (run.recipe.lora.r / 16) ** 0.5)
    tasks = [{"id": f"task-{i}", "ok": i < solved, "tokens": 40} for i in range(10)]
    splits = {"test": {"results": tasks}, "ood": {"results": tasks[8:]}}
    (folder.root / "scores.json").write_text(json.dumps({"seconds": 24.0, "splits": splits}))
    views = {v: {"sha256": j, "size": 10**7} for v, j in run.recipe.stages.speakers().items()}
    (folder.root / "bundle").mkdir()
    (folder.root / "bundle" / "bundle.json").write_text(json.dumps({"views": views}))
    (folder.root / DONE).write_text(json.dumps({**MADE, "threads": 1 + run.seed}))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, list[Planned], Path]:
    out = tmp_path_factory.mktemp("known")
    (out / "table.yaml").write_text(TABLE)
    table = load_table(out / "table.yaml")
    runs = planned_runs(table)
    for run in runs:
        _finish(run, out)
    write_report(table, runs, out)
    return table, runs, out


def test_rates_and_tests_are_those_of_the_tasks(done: tuple[Table, list[Planned], Path]) -> None:
    _, runs, out = done
    first, one_stage, *_ = rows([outcome(run, out) for run in runs])
    assert (first.rates["test"].hits, first.rates["test"].n, first.rates["all"].n) == (9, 10, 12)
    assert first.versus is None
    # Seven of "test" and the one of "ood" that GLPFT solved and one-stage did not.
    assert one_stage.versus is not None
    assert (one_stage.versus.won, one_stage.versus.lost) == (0, 8)
    assert one_stage.versus.p == pytest.approx(2 / 2**8)
    # Of three variants the smallest p.
    assert one_stage.holm == pytest.approx(3 * 2 / 2**8)


def test_capacity_has_a_point_for_each_rank(done: tuple[Table, list[Planned], Path]) -> None:
    _, runs, out = done
    points = capacity([outcome(run, out) for run in runs])
    assert {variant: [rank for rank, _ in its] for variant, its in points.items()} == {
        **{"glpft": [4, 16], "single": [4, 16]}
    }
    assert [by_split["test"].hits for _, by_split in points["single"]] == [4, 8]
    assert "| single | 4 |" in (out / "report.md").read_text()


def test_a_report_of_finished_runs_alone(
    done: tuple[Table, list[Planned], Path], tmp_path: Path
) -> None:
    _, runs, _ = done
    with pytest.raises(UserError, match="has no finished run of glpft"):
        finished(runs, tmp_path)
    for run in (runs[0], runs[3]):
        _finish(run, tmp_path)
    _finish(runs[1], tmp_path)
    (tmp_path / runs[1].name / DONE).unlink()
    assert [run.name for run in finished(runs, tmp_path)] == ["glpft-seed0", "single-seed0"]


def test_it_says_when_and_where_each_run_was_measured_not_where_it_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "table.yaml").write_text(TABLE + "seeds: [0, 1, 2]\n")
    table = load_table(tmp_path / "table.yaml")
    runs = [run for run in planned_runs(table) if run.is_main and run.seed < 2]
    for run in runs:
        _finish(run, tmp_path)
    write_report(table, finished(runs, tmp_path), tmp_path)
    made = "2026-11-30, Linux, a CPU, 1 of 4 cores; 2026-11-30, Linux, a CPU, 2 of 4 cores."
    assert made in (tmp_path / "report.md").read_text()
    assert made in (tmp_path / "report.html").read_text()
    assert ", 2 seeds." in (tmp_path / "report.md").read_text()


def test_cost_adds_up_over_the_jobs(done: tuple[Table, list[Planned], Path]) -> None:
    _, runs, out = done
    glpft, multi = (outcome(run, out).cost for run in (runs[0], runs[2]))
    assert (glpft.trained, glpft.read, glpft.seconds) == (4000, 20_000, 120.0)
    assert (glpft.adapter_bytes, glpft.peak_memory) == (4 * 10**7, 10**9 + 10)
    # One adapter that three roles share is one adapter.
    assert (multi.trained, multi.adapter_bytes) == (1000, 10**7)
    assert (glpft.task_seconds, glpft.task_tokens) == (2.0, 40)


def test_the_page_needs_nothing_beside_it(done: tuple[Table, list[Planned], Path]) -> None:
    table, runs, out = done
    page = (out / "report.html").read_text()
    assert not re.search(r"<(script|link|img)|@import|url\((?!#)", page)
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 5
    for svg in drawn:
        marks = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
        assert sum(1 for _ in marks) > 10
    for variant in table.variants:
        assert all(variant in svg for svg in (drawn[0], drawn[3], drawn[4]))
    assert all(f"<summary>{run.name}</summary>" in page for run in runs)
    assert "60.47" in page


def test_markdown_has_the_same_rows(done: tuple[Table, list[Planned], Path]) -> None:
    out = done[2]
    text = (out / "report.md").read_text()
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    assert text.count("| one-stage |") == 3
    assert "90% (60%-98%, 9/10)" in text


def test_a_browser_shows_every_plot(done: tuple[Table, list[Planned], Path]) -> None:
    shown = said_by(
        done[2] / "report.html",
        "[...document.querySelectorAll('svg')].map(s => {"
        "const b = s.getBBox(); return Math.round(b.width) + 'x' + Math.round(b.height)"
        "}).join(' ')",
    )
    sizes = [tuple(map(int, size.split("x"))) for size in shown.split()]
    assert len(sizes) == 5
    assert all(width > 300 and height > 150 for width, height in sizes)
