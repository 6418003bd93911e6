"""The circle on the real model, as small as it gets: it must close, not score."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

UMI = str(Path(sys.executable).parent / "umi")
RECIPE = """
name: tiny
base: {gguf: embedded}
data: [{source: toolworld, split: train, n: 24}]
stages:
  global: {learning_rate: 2.0e-3, batch: 1, epochs: 1, max_steps: 2}
  local: {learning_rate: 1.0e-3, batch: 1, epochs: 1, max_steps: 1}
packed_length: 384
export: {quantize: F16}
eval:
  slots: 2
  data:
    - {source: toolworld, split: test, n: 1, seed: 1}
    - {source: toolworld, split: ood, n: 1, seed: 1}
"""


def umi(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([UMI, *arguments], capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart")
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE)
    done = umi("quickstart", "--recipe", str(recipe), "--out", str(folder / "run"))
    assert done.returncode == 0, done.stderr
    assert "untrained base" in done.stdout
    # A file says what is being done, too.
    for words in ("before: 0 of 2, 0 solved", "after: 2 of 2", "global: step 2/2", "converting"):
        assert words in done.stdout, done.stdout
    return folder / "run"


def test_the_report_has_every_system_on_every_split(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    for system in ("in_the_box", "before", "after", "global_adapter_alone"):
        assert {split: score["success"]["n"] for split, score in report[system].items()} == {
            "test": 1,
            "ood": 1,
        }


def test_the_card_of_its_bundle_has_the_scores(run: Path) -> None:
    card = (run / "bundle" / "README.md").read_text()
    titles = ("toolworld · test", "toolworld · ood", "toolworld · test, the global adapter alone")
    for title in titles:
        assert f"| {title} | success | " in card


def test_it_leaves_a_chart_metrics_and_traces(run: Path) -> None:
    assert (run / "loss.svg").read_text().startswith("<svg")
    for job in ("global", "planner", "caller", "summarizer"):
        lines = (run / job / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["loss"] > 0
    traces = [path.name for path in (run / "traces").iterdir()]
    assert sorted(traces) == ["live-1.json", "live-2.json", "live-in-the-box-1.json"]


def test_the_bundle_runs_and_the_last_line_is_json(run: Path) -> None:
    done = umi("run", "What is 12 * 34?", "--bundle", str(run / "bundle"), "--json")
    last = json.loads(done.stdout.strip().splitlines()[-1])
    # So little training need not lead to an answer.
    assert done.returncode == (1 if last["answer"] is None else 0), done.stderr
    assert last.keys() == {"answer", "stop", "error", "steps", "seconds", "tokens", "trace"}
    shown = umi("trace", "show", last["trace"])
    assert shown.returncode == 0
    assert last["stop"] in shown.stdout


def test_an_empty_instruction_is_refused(run: Path) -> None:
    done = umi("run", "  ", "--bundle", str(run / "bundle"))
    assert done.returncode == 2
    assert "the instruction is empty" in done.stderr


def test_a_bundle_whose_hash_differs_is_refused(run: Path) -> None:
    adapter = run / "bundle" / "caller.gguf"
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 255
    whole = adapter.read_bytes()
    adapter.unlink()
    adapter.write_bytes(data)
    try:
        done = umi("run", "hello", "--bundle", str(run / "bundle"))
        assert done.returncode == 2
        assert "caller" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    finally:
        adapter.write_bytes(whole)
