"""Calls of `umi reproduce` that share a folder divide its runs."""

import threading
from pathlib import Path

import pytest
from rich.console import Console

from umi_lite.errors import UserError
from umi_lite.reproduce import runs as module
from umi_lite.reproduce.results import DONE
from umi_lite.reproduce.runs import do_runs, finished
from umi_lite.reproduce.table import Planned, load_table, planned_runs

TABLE = """
name: shared
recipe: toolworld/smollm2-135m
override: {data: [{source: toolworld, split: train, n: 80}]}
variants: {glpft: {}, one-stage: {}, single: {}}
"""


@pytest.fixture
def runs(tmp_path: Path) -> list[Planned]:
    (tmp_path / "table.yaml").write_text(TABLE)
    return planned_runs(load_table(tmp_path / "table.yaml"))


def test_each_run_is_done_by_one_of_two_calls(
    runs: list[Planned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs"
    begun, other_is_through = threading.Event(), threading.Event()
    done: list[tuple[str, str]] = []

    def do(run: Planned, *_: object) -> None:
        name = threading.current_thread().name
        done.append((name, run.name))
        if name == "slow":
            begun.set()
            assert other_is_through.wait(30)
        (out / run.name / DONE).write_text("{}")

    monkeypatch.setattr(module, "_do", do)
    slow = threading.Thread(target=do_runs, args=(runs, out, Console(quiet=True)), name="slow")
    slow.start()
    assert begun.wait(30)
    console = Console(record=True, quiet=False, file=(tmp_path / "said").open("w"))
    do_runs(runs, out, console)
    other_is_through.set()
    slow.join(30)
    here = threading.current_thread().name
    assert done == [("slow", "glpft-seed0"), (here, "one-stage-seed0"), (here, "single-seed0")]
    assert console.export_text().count("another process does it") == 1
    assert [run.name for run in finished(runs, out)] == [run.name for run in runs]


def test_a_call_that_failed_leaves_its_run_to_the_next(
    runs: list[Planned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UserError("no memory")

    monkeypatch.setattr(module, "_do", fail)
    with pytest.raises(UserError, match="no memory"):
        do_runs(runs, tmp_path, Console(quiet=True))
    done: list[str] = []
    monkeypatch.setattr(module, "_do", lambda run, *_: done.append(run.name))
    do_runs(runs, tmp_path, Console(quiet=True))
    assert done == [run.name for run in runs]
