import json

import pytest
from datafiles import data_file

from umi_lite.data.boxed import boxed
from umi_lite.data.math_problems import questions


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (r"so $x=\boxed{7}$.", "7"),
        (r"\boxed{1} then \boxed{\frac{1}{\sqrt{2}}}$", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{ (3,4] }", "(3,4]"),
        (r"\fbox{x}", "x"),
        (r"$\boxed 9$.", "9"),
        (r"\boxed{1", None),
        ("no box", None),
    ],
)
def test_the_last_box(text: str, gold: str | None) -> None:
    assert boxed(text) == gold


def test_a_row_is_a_task(tmp_path) -> None:
    path = tmp_path / "test.jsonl"
    row = {"problem": " 1+1? ", "level": "Level 1", "type": "Algebra", "solution": "\\boxed{2}"}
    path.write_text(json.dumps(row))
    (task,) = questions(path).trajectories
    assert (task.id, task.instruction, task.gold, task.steps) == ("math-test-1", "1+1?", "2", ())
    assert [tool.name for tool in task.tools] == ["python"]
    assert task.meta["level"] == "Level 1" and task.meta["family"] == "math"


def test_the_file_at_hand() -> None:
    loaded = questions(data_file("math/dev.jsonl"))
    assert (len(loaded.trajectories), loaded.dropped) == (1000, [])
    assert all(t.gold and t.gold.count("{") == t.gold.count("}") for t in loaded.trajectories)
