import json

import pytest
from datafiles import data_file

from umi_lite.data import math_problems
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan

ONE = (
    "Let me count.\n\n```python\nprint(1 +\n1)\n```\n```output\n2\n```\nThe answer is $\\boxed{2}$."
)
TWO = (
    "```python\nprint(x)\n```\n```output\nTraceback (most recent call last)\nNameError: x\n```\n"
    "x is not set.\n```python\nprint(3)\n```\n```output\n3\n```\nSo it is three.\n\n$\\boxed{3}$"
)


def load(tmp_path, solution: str, **more):
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": solution}]
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"messages": messages, **more}))
    return math_problems.load(path)


def test_one_program(tmp_path) -> None:
    (made,) = load(tmp_path, ONE, gt="2.0").trajectories
    assert made.gold == "2.0"
    assert made.steps == (
        Plan(thought="Let me count.", next="caller"),
        Call(tool="python", arguments={"code": "print(1 +\n1)"}),
        Observation(content="2"),
        Plan(thought="The program's output answers the question.", next="summarizer"),
        Answer(text="The answer is $\\boxed{2}$."),
    )


def test_a_program_that_raises_and_another_one(tmp_path) -> None:
    (made,) = load(tmp_path, TWO).trajectories
    assert made.gold == "3"
    first, _, failed, again, _, seen, done, answer = made.steps
    assert isinstance(first, Plan) and first.thought
    assert isinstance(failed, Observation) and failed.error
    assert isinstance(again, Plan) and again.thought == "x is not set."
    assert seen == Observation(content="3")
    assert done == Plan(thought="So it is three.", next="summarizer")
    assert answer == Answer(text="$\\boxed{3}$")


def test_problem_and_solution_do_as_well(tmp_path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"problem": "Q?", "solution": ONE}))
    assert len(math_problems.load(path).trajectories[0].steps) == 5


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        ("No answer.", "no \\boxed answer"),
        ("```python\n1\n```\n\\boxed{1}", "a program without an output"),
        ("```python\n'\\boxed{1}'\n```\n```output\n1\n```", "no text follows"),
        ("\\boxed{1}", "an answer without a thought"),
    ],
)
def test_what_does_not_fit_is_dropped(tmp_path, solution: str, reason: str) -> None:
    loaded = load(tmp_path, solution)
    assert not loaded.trajectories
    assert reason in loaded.dropped[0].reason


def test_the_file_at_hand() -> None:
    loaded = math_problems.load(data_file("math/tora_examples.jsonl"))
    assert (len(loaded.trajectories), loaded.dropped) == (30, [])
    calls = [s for t in loaded.trajectories for s in t.steps if isinstance(s, Call)]
    assert len(calls) == 25
    assert all("```" not in call.arguments["code"] for call in calls)
