"""Everyday requests: deterministic, split cleanly, true to the tools of the bundle in the box."""

import ast
from collections import Counter
from functools import cache
from itertools import islice

import pytest
from goldturns import check_turns

from umi_lite.data.everyday import SPLITS, environment, load
from umi_lite.data.everyday.goals import goals_of
from umi_lite.data.everyday.tasks import PER_100, tasks_of
from umi_lite.data.everyday.units import _SAID
from umi_lite.data.everyday.world import FILE_TOOLS, TOOLS
from umi_lite.data.source import GIVE_UP
from umi_lite.data.toolsets import toolset
from umi_lite.errors import UserError
from umi_lite.evals.answers import holds_gold
from umi_lite.evals.bounds import BOUNDS
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory
from umi_lite.tools.compute import UNITS, as_python

N = 300


@cache
def tasks(split: str) -> list[Trajectory]:
    return load(split, N, seed=5).trajectories  # pyright: ignore[reportArgumentType]


def calls(task: Trajectory) -> list[Call]:
    return [step for step in task.steps if isinstance(step, Call)]


@pytest.fixture(params=SPLITS)
def split(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_same_seed_gives_the_same_bytes(split: str) -> None:
    first, again, other = (load(split, 80, seed=s).trajectories for s in (5, 5, 6))  # pyright: ignore
    assert [t.model_dump_json() for t in first] == [t.model_dump_json() for t in again]
    assert len({t.instruction for t in other} & {t.instruction for t in first}) < 15


def test_the_calls_return_the_same_on_fresh_tools(split: str) -> None:
    for task in tasks(split):
        box = environment(task)
        assert box.specs == task.tools
        seen = [step for step in task.steps if isinstance(step, Observation)]
        assert [box.call(call) for call in calls(task)] == seen, task.id
        assert box.state() == task.meta["state"], task.id
        assert all(call not in calls(task)[:at] for at, call in enumerate(calls(task)))


def test_the_tools_are_those_of_the_bundle_in_the_box(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    live = {spec.name: spec for spec in toolset(f"everyday={tmp_path}", print).specs}
    assert set(live) == {*TOOLS, *FILE_TOOLS}
    for task in tasks("train"):
        assert all(spec == live[spec.name] for spec in task.tools)


def test_answers_hold_what_the_tools_returned_and_fit_the_bounds(split: str) -> None:
    for task in tasks(split):
        assert all(len(s.thought) <= 140 for s in task.steps if isinstance(s, Plan)), task.steps
        *middle, last = task.steps
        assert not any(isinstance(step, Answer) for step in middle)
        if task.gold == GIVE_UP:
            assert isinstance(last, Plan) and last.next == "give_up"
        else:
            assert isinstance(last, Answer)
            assert holds_gold(task.gold or "", last.text, task.instruction), task
            assert len(last.text) < 200 and "\n" not in last.text


def test_turns_are_what_the_schemas_and_the_grammars_allow(split: str) -> None:
    check_turns(tasks(split)[:60], BOUNDS.max_thought_chars)


def test_thoughts_name_the_call_with_its_values_and_what_comes_after_it(split: str) -> None:
    for task in tasks(split):
        plans = [step for step in task.steps if isinstance(step, Plan)]
        for at, (plan, call) in enumerate(zip(plans, calls(task), strict=False)):
            assert f"use {call.tool}" in plan.thought
            assert all(str(value) in plan.thought for value in call.arguments.values())
            after = plan.thought.rpartition(", then ")[2].rstrip(".")
            if task.meta["kind"] not in ("recovery", "dead_end"):
                assert after == [*(c.tool for c in calls(task)), "answer"][at + 1]


def test_splits_share_no_instruction_and_no_wording() -> None:
    train, dev = ({t.instruction.casefold().rstrip(".?!") for t in tasks(s)} for s in SPLITS)
    assert not train & dev
    assert len(train) > 0.97 * N
    for goals in goals_of("train").by_kind.values():
        for goal in goals:
            asked, held_out = ({ask.casefold() for ask in goal.asked(s)} for s in SPLITS)
            assert not asked & held_out
            assert len(asked) >= 6 and len(held_out) >= 2, goal.name
    names = [goal.name for goals in goals_of("train").by_kind.values() for goal in goals]
    assert len(set(names)) == len(names)
    requests = [{r.text for r in goals_of(s).unsupported} for s in SPLITS]
    assert not requests[0] & requests[1]


def test_every_tool_and_every_unit_is_used() -> None:
    made = tasks("train")
    assert {call.tool for task in made for call in calls(task)} == {*TOOLS, *FILE_TOOLS}
    assert set(_SAID) == set(UNITS)
    converted = [c.arguments for t in made for c in calls(t) if c.tool == "convert"]
    assert {a["unit"] for a in converted} | {a["to"] for a in converted} == set(UNITS)


def test_every_goal_makes_a_task_of_the_held_out_split() -> None:
    for kind, goals in goals_of("dev").by_kind.items():
        made = islice(tasks_of(kind, "dev", 1), len(goals))
        assert [task.meta["family"] for task in made] == [goal.name for goal in goals]


def test_the_shares_of_kinds_are_kept_and_some_end_in_giving_up(split: str) -> None:
    kinds = Counter(task.meta["kind"] for task in tasks(split))
    assert kinds == {kind: N * share // 100 for kind, share in PER_100.items()}
    assert sum(task.gold == GIVE_UP for task in tasks(split)) == 0.06 * N
    for task in tasks(split):
        if task.meta["kind"] == "missing":
            assert not calls(task) and 4 <= len(task.tools) <= 15
        if task.meta["kind"] == "recovery":
            first, *_, last = [s for s in task.steps if isinstance(s, Observation)]
            assert first.error and not last.error


def test_tools_are_offered_in_many_orders_and_often_not_all(split: str) -> None:
    offered = [tuple(tool.name for tool in task.tools) for task in tasks(split)]
    assert len(set(offered)) > 0.95 * N
    few = sum(len(names) <= 8 for names in offered)
    assert 0.15 * N < few < 0.4 * N and min(map(len, offered)) >= 4


def test_many_expressions_have_several_operations(split: str) -> None:
    expressions = [c.arguments["expression"] for t in tasks(split) for c in calls(t)
                   if c.tool == "calculator"]  # fmt: skip
    operations = Counter(
        sum(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(as_python(text))))
        for text in expressions
    )
    assert operations[2] + operations[3] > operations[1] > 0.2 * len(expressions)


def test_requests_of_two_calls_use_the_first_result_or_ask_for_two_things() -> None:
    chains = [t for t in tasks("train") if t.meta["kind"] == "chains"]
    used = 0
    for task in chains:
        first = next(step for step in task.steps if isinstance(step, Observation))
        used += first.content.strip() in map(str, calls(task)[1].arguments.values())
    assert used > len(chains) / 3
    assert all(len(calls(t)) == 2 for t in tasks("train") if t.meta["kind"] == "parts")


@pytest.mark.parametrize(("split", "n"), [("test", 5), ("train", 0)])
def test_a_wrong_request_is_a_user_error(split: str, n: int) -> None:
    with pytest.raises(UserError, match="everyday"):
        load(split, n)  # pyright: ignore[reportArgumentType]
