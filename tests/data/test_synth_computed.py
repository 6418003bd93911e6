"""Tasks in which a general tool computes with another tool's result."""

import re
from functools import cache
from typing import Literal

import pytest
from goldturns import check_turns

from umi_lite.data.everyday.world import TOOLS
from umi_lite.data.load import load_source
from umi_lite.data.synth import general, generate
from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.wording import SynthTool
from umi_lite.data.toolworld.goals import goals_of
from umi_lite.data.wild import SPLITS, environment_of, load
from umi_lite.data.wild.catalog import tools_of
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Observation, Trajectory
from umi_lite.recipe.schema import Data
from umi_lite.tools import compute
from umi_lite.tools.tools import tool

GENERAL = {one.made.tool.name for tools in general.BY_WHAT.values() for one in tools}


def toolworld(split: Literal["train", "ood"]) -> set[str]:
    goals = [goal for calls in range(1, 5) for goal in goals_of(split).of_calls(calls)]
    assert goals
    return {tool for goal in goals for tool in goal.tools}


@cache
def tasks() -> list[Trajectory]:
    return load("train", 150, seed=7, shares={"computed": 1}).trajectories


def calls(task: Trajectory) -> list[Call]:
    return [step for step in task.steps if isinstance(step, Call)]


def test_every_task_replays_and_its_turns_can_be_written() -> None:
    assert len(tasks()) == 150
    for task in tasks():
        assert fault_of(task) == "", task.instruction
    check_turns(tasks(), 400)


def test_a_general_tool_is_called_with_the_result_of_the_call_before() -> None:
    several = [task for task in tasks() if len(calls(task)) > 1]
    assert len(several) > 100
    for task in several:
        first, *others = calls(task)
        assert first.tool not in GENERAL
        results = [step.content for step in task.steps if isinstance(step, Observation)]
        for call, before in zip(others, results, strict=False):
            assert call.tool in GENERAL
            given = " ".join(map(str, call.arguments.values()))
            shown = re.findall(r"[^\s\"{}:,]+", before)
            assert any(word in given for word in shown), (given, before)


def test_some_offer_general_tools_that_are_not_needed() -> None:
    unneeded = [
        {tool.name for tool in task.tools} & GENERAL - {call.tool for call in calls(task)}
        for task in tasks()
    ]
    assert sum(map(bool, unneeded)) > 50


@pytest.mark.parametrize("what", general.BY_WHAT)
def test_the_tools_of_an_operation_compute_the_same(what: str) -> None:
    value, operand, unit, wanted = {
        "times": (12, 4, "", "48"), "plus": (12, 4, "", "16"), "minus": (12, 4, "", "8"),
        "by": (12, 4, "", "3"), "upper": ("Night Bus", 0, "", "NIGHT BUS"),
        "lower": ("Night Bus", 0, "", "night bus"), "reverse": ("Bus", 0, "", "suB"),
        "words": ("Night Bus", 0, "", "2"), "weekday": ("2026-12-01", 0, "", "Tuesday"),
        "later": ("2026-12-01", 4, "", "2026-12-05"), "unit": (3, "hours", "days", "72"),
    }[what]  # fmt: skip
    signs = {"times": "*", "plus": "+", "minus": "-", "by": "/"}
    for one in general.BY_WHAT[what]:
        given = {one.operand: operand, one.value: value, one.unit: unit}
        if one.sums:
            given[one.value] = f"{value} {signs[what]} {operand}"
        given.pop("", None)
        assert one.made.function is not None
        assert one.made.function.call(given) == wanted, one.made.tool.name


def test_most_general_tools_compute_in_the_tasks_environment() -> None:
    used = {call.tool for task in tasks() for call in calls(task)} & GENERAL
    assert len(used) > len(GENERAL) / 2
    for task in tasks()[:40]:
        box = environment_of(task)
        for step, after in zip(task.steps, task.steps[1:], strict=False):
            if isinstance(step, Call):
                assert box.call(step) == after


def test_no_other_tool_has_the_name_of_a_general_one_and_none_is_held_out() -> None:
    assert not GENERAL & {made.tool.name for split in SPLITS for made in tools_of(split)}
    assert not GENERAL & (toolworld("ood") - toolworld("train") - set(TOOLS))


def test_shares_choose_the_kinds_of_tasks() -> None:
    loaded = load("train", 40, seed=3, shares={"two_parts": 3, "missing": 1}).trajectories
    assert {task.meta["kind"] for task in loaded} <= {"two_parts", "missing", "one"}
    assert sum(task.meta["kind"] == "two_parts" for task in loaded) > 20
    given = Data.model_validate({"source": "wild", "n": 20, "shares": {"computed": 1}}).options()
    assert len(load_source("wild", given).trajectories) == 20


@pytest.mark.parametrize(
    ("shares", "error"),
    [
        ({"computd": 1}, "wild: shares has no kind 'computd'; there are one, two_parts"),
        ({"computed": 0}, "wild: the share of computed is 0; it must be 1 or more"),
        ({}, "wild: shares names no kind of task"),
    ],
)
def test_wrong_shares_are_refused(shares: dict[str, int], error: str) -> None:
    with pytest.raises(UserError, match=re.escape(error)):
        load("train", 5, shares=shares)


def test_an_own_tool_that_is_like_a_general_one_is_simulated() -> None:
    functions = (compute.calculator, compute.upper, compute.word_count, compute.add_days)
    own = [SynthTool(tool(function).spec, None, "own") for function in functions]
    assert {one.tool.name for one in own} <= GENERAL
    made = generate.load(own, seed=1, count=30).trajectories
    assert len(made) == 30
    assert all(fault_of(task) == "" and "general" not in task.meta["world"] for task in made)


def test_without_shares_nothing_is_computed() -> None:
    assert all(task.meta["kind"] != "computed" for task in load("train", 200, seed=3).trajectories)
