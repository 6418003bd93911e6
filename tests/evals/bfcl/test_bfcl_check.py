"""BFCL's checker on its own possible answers, and on damaged ones."""

import sys

import pytest
from llguidance import LLMatcher, LLTokenizer

from umi_lite.data import bfcl
from umi_lite.errors import UserError
from umi_lite.evals.bfcl import check
from umi_lite.evals.bfcl.check import verdict
from umi_lite.evals.bfcl.gold import gold_calls
from umi_lite.evals.bfcl.run import gold_outcomes, rates
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.roles import call_text
from umi_lite.protocol.trajectory import Call, Trajectory

# Possible answers that the package's own checker refuses.
REFUSED = {"simple_java": 3, "parallel_multiple": 2, "live_simple": 2, "live_multiple": 3}
# Tasks whose schemas contradict their answers (a value that its enum does not have).
UNSAYABLE = {
    "parallel_multiple": 4, "live_simple": 2, "live_multiple": 17, "live_parallel_multiple": 1,
}  # fmt: skip
CHECKED = [name for name in bfcl.SINGLE_TURN if not name.endswith("relevance")]


@pytest.mark.parametrize("category", bfcl.CATEGORIES)
def test_possible_answers_are_right(category: str) -> None:
    tasks = bfcl.tasks(category).trajectories
    outcomes = list(gold_outcomes(tasks))
    rate = rates(outcomes)[category]
    assert (rate.n - rate.hits, rate.n) == (REFUSED.get(category, 0), len(tasks))
    assert rate.rate >= 0.99 or category not in bfcl.DEFAULT
    assert all("\n" not in outcome.why for outcome in outcomes)


@pytest.mark.parametrize("category", CHECKED)
def test_a_grammar_allows_the_possible_answers(category: str) -> None:
    tokens = LLTokenizer("byte")
    refused = 0
    for task in bfcl.tasks(category).trajectories:
        start = LLMatcher(tokens, call_grammar(task.tools))
        for call in gold_calls(task):
            ids = tokens.tokenize_str(call_text(call, task.tools))
            matcher = start.deep_copy()
            if matcher.try_consume_tokens(ids) < len(ids) or not matcher.is_accepting():
                refused += 1
                break
    assert refused == UNSAYABLE.get(category, 0)


def right(category: str) -> list[tuple[Trajectory, list[Call]]]:
    tasks = bfcl.tasks(category, 60).trajectories
    return [(task, calls) for task in tasks if not verdict(task, calls := gold_calls(task))]


@pytest.mark.parametrize("category", CHECKED)
def test_damaged_answers_are_wrong(category: str) -> None:
    found = right(category)
    assert len(found) >= 14
    for task, calls in found:
        first, *others = calls
        assert verdict(task, [])
        assert verdict(task, [*calls, first])
        assert verdict(task, [first.model_copy(update={"tool": "no_such"}), *others])
        more = first.arguments | {"no_such": 1}
        assert verdict(task, [first.model_copy(update={"arguments": more}), *others])
        if first.arguments:
            key = next(iter(first.arguments))
            other = first.arguments | {key: "\N{SNOWMAN} something else"}
            assert verdict(task, [first.model_copy(update={"arguments": other}), *others])


def test_parallel_calls_come_in_any_order() -> None:
    found = [pair for name in ("parallel", "parallel_multiple") for pair in right(name)]
    assert all(verdict(task, calls[1:]) for task, calls in found)
    # It takes the first call that fits an answer, which may be the only one for another.
    turned = [verdict(task, calls[::-1]) for task, calls in found]
    assert sum(map(bool, turned)) <= len(found) / 50


def test_relevance_is_whether_there_is_a_call() -> None:
    for category, wanted in (("irrelevance", False), ("live_relevance", True)):
        for task in bfcl.tasks(category, 10).trajectories:
            call = Call(tool=task.tools[0].name)
            assert bool(verdict(task, [call])) is not wanted
            assert bool(verdict(task, [])) is wanted


def test_a_call_that_the_checker_cannot_read_is_wrong() -> None:
    """Where an answer is a list of objects, the checker expects objects."""
    odd = [7, None, "x", [], {}, [1], [None], [[]], [{}], {"a": {}}, {"a": [{}]}]
    for category in ("simple_python", "live_simple"):
        for task, (call, *_) in right(category):
            for key in call.arguments:
                for value in odd:
                    made = call.model_copy(update={"arguments": call.arguments | {key: value}})
                    assert isinstance(verdict(task, [made]), str)


def forget_package(monkeypatch) -> None:
    check._checker.cache_clear()
    for name in [name for name in sys.modules if name.startswith("bfcl_eval")]:
        monkeypatch.delitem(sys.modules, name)


def test_the_package_without_its_dependencies(monkeypatch) -> None:
    forget_package(monkeypatch)
    (task,) = bfcl.tasks("multiple", 1).trajectories
    assert not verdict(task, gold_calls(task))
    # The first imports all clients, the other two make folders next to the package.
    unwanted = {"constants.model_config", "constants.eval_config", "utils"}
    assert not {f"bfcl_eval.{name}" for name in unwanted} & set(sys.modules)
    forget_package(monkeypatch)
    monkeypatch.setitem(sys.modules, "bfcl_eval", None)
    with pytest.raises(UserError, match="checker is not installed: pip install --no-deps bfcl"):
        verdict(task, [])
