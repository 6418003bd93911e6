"""A table over gold dialogues: predictions that are known give the metrics, intervals and p."""

import json
from pathlib import Path

import pytest

from umi_lite.evals.stats import paired_p
from umi_lite.reproduce.report import write_report
from umi_lite.reproduce.results import DONE, STEPS, step_rows
from umi_lite.reproduce.table import Planned, load_table, planned_runs
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir

DIALOGUES = 12
TABLE = """
name: steps
recipe: toolworld/smollm2-135m
override: {eval: {data: [], static: GOLD}}
variants: {glpft: {}, single: {}}
paper: 7B, out-of-domain
"""


def _gold(path: Path) -> None:
    tools = [{"Name": "weather", "function": "", "input": {"city": "string, where"}}]
    turns = [
        {"from": "user", "value": "Rain?"},
        {"from": "assistant", "value": "I look it up.\n Next: caller."},
        {"from": "caller", "value": 'Action: weather\nAction Input: {"city": "Oslo"}'},
        {"from": "observation", "value": "rain"},
        {"from": "assistant", "value": "Done.\n Next: conclusion."},
        {"from": "conclusion", "value": "It rains."},
    ]
    record = {"tools": tools, "instruction": "Rain?", "conversations": turns}
    path.write_text(json.dumps([record] * DIALOGUES))


def _predict(run: Planned, out: Path) -> None:
    """GLPFT is always right; single names no tool in every other dialogue."""
    folder = RunDir(out / run.name)
    folder.create(run.recipe)
    lines = []
    for at in range(DIALOGUES):
        right = run.variant == "glpft" or at % 2
        call = {
            "next": "caller",
            "tool": "weather" if right else None,
            "arguments": {"city": "Oslo"},
        }
        lines.append({"dialogue": at, "turn": 1, **call})
        lines.append({"dialogue": at, "turn": 4, "next": "summarizer", "answer": "It rains."})
    (folder.root / STEPS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = {"trained_tokens": 10, "tokens": 20, "seconds": 1.0, "peak_memory": 1, "loss": 1.0}
    for job in plan(run.recipe):
        folder.metrics(job.name).parent.mkdir(parents=True)
        folder.metrics(job.name).write_text(json.dumps(record) + "\n")
    views = {view: {"sha256": job, "size": 1} for view, job in run.recipe.stages.speakers().items()}
    (folder.root / "bundle").mkdir()
    (folder.root / "bundle" / "bundle.json").write_text(json.dumps({"views": views}))
    made = {"date": "2026-11-30", "system": "Linux", "cpu": "a CPU", "cores": 2, "threads": 1}
    (folder.root / DONE).write_text(json.dumps(made))


@pytest.fixture
def runs(tmp_path: Path) -> list[Planned]:
    _gold(tmp_path / "gold.json")
    (tmp_path / "table.yaml").write_text(TABLE.replace("GOLD", str(tmp_path / "gold.json")))
    planned = planned_runs(load_table(tmp_path / "table.yaml"))
    for run in planned:
        _predict(run, tmp_path)
    return planned


def test_means_intervals_and_p(runs: list[Planned], tmp_path: Path) -> None:
    rows = step_rows(runs, tmp_path)
    glpft, single = rows["glpft"], rows["single"]
    assert (glpft["act_em"].value, glpft["act_em"].p) == (100, None)
    assert (single["act_em"].value, single["arg_f1"].value) == (50, 50)
    assert single["act_em"].low < 50 < single["act_em"].high
    assert 0 < (single["act_em"].p or 0) <= 0.01
    assert (single["plan_acc"].value, single["plan_acc"].p) == (100, 1.0)


def test_the_report_has_them(runs: list[Planned], tmp_path: Path) -> None:
    write_report(load_table(tmp_path / "table.yaml"), runs, tmp_path)
    text, page = ((tmp_path / name).read_text() for name in ("report.md", "report.html"))
    assert "Tasks solved" not in text + page
    assert "| single | 100.00 (100.00-100.00) | 1.000 | 50.00 (" in text
    assert page.count("<svg") == 2
    assert "50.00 (" in page


def test_p_of_systems_that_are_the_same_and_that_differ_everywhere() -> None:
    counts = [[1.0, 2.0]] * 8
    one, other = [[1.0, 1.0]] * 8, [[0.0, 1.0]] * 8
    assert paired_p((one, counts), (one, counts)) == [1.0, 1.0]
    assert paired_p((one, counts), (other, counts)) == [0.001, 1.0]
    mixed = [[float(i % 2), 1.0] for i in range(8)]
    swapped = [[float(not i % 2), 1.0] for i in range(8)]
    assert paired_p((mixed, counts), (swapped, counts))[0] > 0.5
