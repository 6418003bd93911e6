"""The record of a step, by a clock that the test moves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from umi_lite.train import callbacks
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import read_metrics


def test_a_first_step_that_compiles_is_not_in_the_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(callbacks, "time", clock)
    metrics = tmp_path / "job" / "metrics.jsonl"
    ready: Any = SimpleNamespace(
        job=SimpleNamespace(name="global"), sizes=[100] * 4, trained=[10] * 4
    )
    run: Any = SimpleNamespace(metrics=lambda _: metrics)
    page: Any = SimpleNamespace(update=lambda: None)
    stop: Any = SimpleNamespace(anywhere=lambda: False)
    made: Any = callbacks.callback(ready, run, Silent(), page, None, stop)
    args = SimpleNamespace(fp16=False)
    made.on_train_begin(args, SimpleNamespace(global_step=0), None)
    for step, seconds in enumerate((40.0, 0.5, 0.5, 1.0), 1):
        state = SimpleNamespace(global_step=step)
        made.on_step_begin(args, state, None)
        now[0] += seconds
        made.on_step_end(args, state, None)
        now[0] += 2  # a checkpoint
        made.on_log(args, state, None, logs={"loss": 1.0, "learning_rate": 1e-4})
    records = read_metrics(metrics)
    assert [r["tokens_per_second"] for r in records] == [2.5, 200, 200, 150]
    assert [r["seconds"] for r in records] == [42, 44.5, 47, 50]
    assert records[-1]["tokens"] == 400
