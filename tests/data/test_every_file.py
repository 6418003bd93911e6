"""Every record of every file at hand is a trajectory, or dropped with a reason."""

import json
from pathlib import Path

import pytest
from datafiles import data_file

from umi_lite.data.load import load_questions, load_source

# Name, source, with steps, and how many records the file has.
FILES = [
    ("gsm8k/train.jsonl", "gsm8k", True, 7473),
    ("gsm8k/test.jsonl", "gsm8k", False, 1319),
    ("math/dev.jsonl", "math", False, 1000),
    ("math/tora_examples.jsonl", "tora", True, 30),
    ("toolbench/static_dev.json", "toolbench", True, 280),
    ("toolbench/split_example/raw_data/raw_data_stage_1.json", "toolbench", True, 20),
    ("toolbench/split_example/raw_data/raw_data_stage_2.json", "toolbench", True, 20),
    ("toolbench/split_example/train_backbone.json", "toolbench_samples", True, 79),
    ("toolbench/split_example/train_planner.json", "toolbench_samples", True, 79),
    ("toolbench/split_example/train_caller.json", "toolbench_samples", True, 59),
    ("toolbench/split_example/train_summarizer.json", "toolbench_samples", True, 14),
    ("toolbench/raw_answers", "toolbench_raw", True, 14),
    ("toolalpaca/eval_simulated.json", "toolalpaca", False, 100),
    ("toolalpaca/eval_simulated.json", "toolalpaca", True, 100),
    ("toolalpaca/format_example_ToolAlpaca7b.json", "toolalpaca", True, 100),
]


@pytest.mark.parametrize(("name", "source", "steps", "records"), FILES)
def test_records_are_loaded_or_counted(name: str, source: str, steps: bool, records: int) -> None:
    load = load_source if steps else load_questions
    loaded = load(source, {"path": data_file(name)})
    made = sum(t.meta.get("samples", 1) for t in loaded.trajectories)
    assert made + len(loaded.dropped) == records
    assert all(drop.reason and drop.where for drop in loaded.dropped)
    assert all(bool(t.steps) is steps for t in loaded.trajectories)
    # What was read can be written and read again.
    for trajectory in loaded.trajectories[:50]:
        assert type(trajectory).model_validate_json(trajectory.model_dump_json()) == trajectory
    assert len({t.id for t in loaded.trajectories}) == len(loaded.trajectories)


def test_no_file_is_left_out() -> None:
    root = data_file("README.md").parent
    known = [root / name for name, *_ in FILES]
    found = [path for path in root.rglob("*.json*") if path.is_file()]
    assert found
    for path in found:
        assert path in known or path.parent in known, path


def test_the_counts_above_are_the_files_own() -> None:
    for name, _, _, records in FILES:
        path: Path = data_file(name)
        if path.suffix == ".jsonl":
            assert len(path.read_text().strip().split("\n")) == records
        elif "toolbench" in name:
            whole = list(path.iterdir()) if path.is_dir() else json.loads(path.read_text())
            assert len(whole) == records
