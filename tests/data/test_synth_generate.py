"""Generated tasks: the same by seed, replayable, valid, with every value said and splits apart."""

import json
import re
from collections import Counter
from types import SimpleNamespace

import jsonschema
import pytest
from synth_tools import TOOLS, made

from umi_lite.data.rows import Dropped
from umi_lite.data.source import GIVE_UP
from umi_lite.data.synth.check import fault_of, judge
from umi_lite.data.synth.generate import generate, load
from umi_lite.data.synth.plans import Mix
from umi_lite.data.synth.play import intent
from umi_lite.data.synth.simulate import environment
from umi_lite.data.synth.wording import SynthTool
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory
from umi_lite.tools.tools import tool

N = 300


@pytest.fixture(scope="module")
def tasks() -> list[Trajectory]:
    return load(TOOLS, seed=7, count=N).trajectories


def texts(made: list[Trajectory]) -> list[str]:
    return [task.model_dump_json() for task in made]


def calls_of(task: Trajectory) -> list[Call]:
    return [step for step in task.steps if isinstance(step, Call)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_tasks(tasks: list[Trajectory]):
    assert texts(tasks) == texts(load(TOOLS, seed=7, count=N).trajectories)
    other = {task.instruction for task in load(TOOLS, seed=8, count=N).trajectories}
    assert len(other & {task.instruction for task in tasks}) < N // 20


def test_a_task_does_not_depend_on_how_many_are_asked_for_later(tasks: list[Trajectory]):
    stream = generate(TOOLS, seed=7, count=N)
    assert [next(stream).id for _ in range(3)] == [task.id for task in tasks[:3]]


def test_every_call_fits_its_schema_and_gives_its_observation_again(tasks: list[Trajectory]):
    assert len(tasks) == N
    for saved in texts(tasks):
        task = Trajectory.model_validate_json(saved)
        box = environment(task)
        schemas = {spec.name: spec.parameters for spec in task.tools}
        for step, after in zip(task.steps, task.steps[1:], strict=False):
            if isinstance(step, Call):
                jsonschema.validate(step.arguments, schemas[step.tool])
                assert box.call(step) == after
        assert box.state() == task.meta["state"]


def test_all_kinds_of_tasks_are_made_in_their_shares(tasks: list[Trajectory]):
    kinds = Counter(task.meta["kind"] for task in tasks)
    shares = {kind: share for kind, share in Mix().shares().items() if share}
    assert set(kinds) == set(shares)
    assert abs(kinds["one"] - N * shares["one"] / sum(shares.values())) <= N // 20
    sizes = {len(task.tools) for task in tasks}
    assert min(sizes) >= 2 and max(sizes) > 15
    assert {len(calls_of(task)) for task in tasks} == {0, 1, 2, 3, 4}


def test_a_later_call_of_a_chain_uses_what_only_an_earlier_result_says(tasks: list[Trajectory]):
    chains = [task for task in tasks if task.meta["kind"] == "two_chain"]
    assert len(chains) > 20
    for task in chains:
        _, second = calls_of(task)
        seen = next(step for step in task.steps if isinstance(step, Observation))
        linked = [
            value
            for value in second.arguments.values()
            if isinstance(value, str) and value in seen.content and value not in task.instruction
        ]
        assert linked, task.instruction


def test_thoughts_name_the_next_tool_and_what_follows_it(tasks: list[Trajectory]):
    for task in tasks:
        steps = task.steps
        for at, step in enumerate(steps):
            if isinstance(step, Plan) and step.next == "caller":
                call = steps[at + 1]
                assert isinstance(call, Call) and f"use {call.tool}" in step.thought
                later = [s.tool for s in steps[at + 3 :] if isinstance(s, Call)]
                retried = any(isinstance(s, Plan) and "Retry" in s.thought for s in steps[at + 3 :])
                then = "answer" if not later or retried else later[0]
                assert step.thought.endswith(f"then {then}.")


def test_give_ups_call_nothing_or_end_with_an_error(tasks: list[Trajectory]):
    for task in tasks:
        last = task.steps[-1]
        gives_up = task.meta["kind"] in ("missing", "unsupported", "dead_end")
        assert gives_up == (task.gold == GIVE_UP)
        assert isinstance(last, Plan if gives_up else Answer)
        if task.meta["kind"] in ("missing", "unsupported"):
            assert not calls_of(task)


def test_a_misspelled_value_fails_once_and_is_then_right(tasks: list[Trajectory]):
    retries = [task for task in tasks if task.meta["kind"] == "retry"]
    assert retries
    for task in retries:
        first, second = calls_of(task)
        seen = [step for step in task.steps if isinstance(step, Observation)]
        assert [one.error for one in seen] == [True, False]
        assert first.tool == second.tool and first.arguments != second.arguments


def grams(text: str) -> set[tuple[str, ...]]:
    said = re.findall(r"\w+", text.casefold())
    return {tuple(said[at : at + 8]) for at in range(len(said) - 7)}


def test_splits_share_no_instruction_and_few_eight_words():
    found: dict[str, set[tuple[str, ...]]] = {}
    asked: dict[str, set[str]] = {}
    for split in ("train", "dev", "test"):
        made = load(TOOLS, seed=3, count=200, split=split).trajectories
        assert len(made) == 200
        asked[split] = {task.instruction for task in made}
        found[split] = set().union(*map(grams, asked[split]))
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not asked[one] & asked[other]
        # What is shared are the words of the tools' own descriptions, with values that are few.
        assert len(found[one] & found[other]) <= 0.03 * len(found[other])


def test_what_cannot_be_made_is_counted_with_its_reason():
    dropped: list[Dropped] = []
    lonely = [made("x", "get_price", "Get the price of a product", {"product": {"type": "string"}})]
    tasks = list(generate(lonely, seed=1, count=20, on_drop=dropped.append))
    assert tasks
    reasons = {drop.where: drop.reason for drop in dropped}
    assert reasons["tasks two_chain"] == "no tool's result fits another tool's argument"
    assert reasons["tasks unsupported"] == "there are fewer than three tools"


def test_an_unknown_split_is_one_line():
    with pytest.raises(UserError, match="synth has no split 'ood'; there are train, dev, test"):
        next(generate(TOOLS, seed=1, count=1, split="ood"))


def test_wordings_are_used_and_only_their_slots_are_filled(tasks: list[Trajectory]):
    reserved = [
        task
        for task in tasks
        if task.meta["kind"] == "one" and calls_of(task)[0].tool == "lib.reserveBook"
    ]
    assert reserved
    for task in reserved:
        assert ("until" in calls_of(task)[0].arguments) == ("until" in task.instruction)
        assert re.search(r"\b(?:Reserve|Keep|reserve|keep) book ", task.instruction)


def trace_of(task: Trajectory, steps: list[object]) -> SimpleNamespace:
    return SimpleNamespace(trajectory=task.model_copy(update={"steps": tuple(steps)}))


def test_the_judge_takes_the_gold_in_another_spelling_and_refuses_another_call(
    tasks: list[Trajectory],
):
    task = next(
        t for t in tasks if t.meta["kind"] == "one" and calls_of(t)[0].tool == "get_weather"
    )
    answer = task.steps[-1]
    assert isinstance(answer, Answer)
    assert judge(task, trace_of(task, list(task.steps)), answer.text) == ""
    plan, call, *rest = task.steps
    assert isinstance(call, Call)
    louder = call.model_copy(
        update={"arguments": {**call.arguments, "city": call.arguments["city"].upper()}}
    )
    assert judge(task, trace_of(task, [plan, louder, *rest]), answer.text) == ""
    wrong = call.model_copy(update={"arguments": {**call.arguments, "city": "Atlantis"}})
    assert "differs" in judge(task, trace_of(task, [plan, wrong, *rest]), answer.text)
    assert judge(task, trace_of(task, list(task.steps)), "I do not know.") != ""


def test_a_changed_step_is_found_by_the_replay(tasks: list[Trajectory]):
    task = next(t for t in tasks if t.meta["kind"] == "one" and calls_of(t)[0].arguments)
    assert fault_of(task) == ""
    steps = list(task.steps)
    at = next(i for i, step in enumerate(steps) if isinstance(step, Observation))
    steps[at] = Observation(content="something else")
    assert "another result" in fault_of(task.model_copy(update={"steps": tuple(steps)}))
    silent = task.model_copy(update={"instruction": "Do it."})
    assert "does not say the value" in fault_of(silent)


def test_a_function_that_is_safe_is_run_for_its_observations():
    ran: list[float] = []

    def add_numbers(a: float, b: float) -> float:
        """Add two numbers."""
        ran.append(a + b)
        return a + b

    function = tool(add_numbers)
    live = [SynthTool(function.spec, None, "math", function)]
    tasks = list(generate(live, seed=2, count=10, mix=Mix(two_chain=0, retry=0, dead_end=0)))
    played = [task for task in tasks if calls_of(task)]
    assert played and ran
    for task in played:
        for step, after in zip(task.steps, task.steps[1:], strict=False):
            if isinstance(step, Call):
                assert isinstance(after, Observation)
                assert float(after.content) == step.arguments["a"] + step.arguments["b"]
                assert environment(task, {"add_numbers": function}).call(step) == after


def test_a_trajectory_survives_json_unchanged(tasks: list[Trajectory]):
    for task in tasks[:50]:
        assert json.loads(task.model_dump_json())["meta"] == task.meta


def test_a_thought_names_the_values_of_its_call() -> None:
    assert intent("today", {}) == "use today"
    assert intent("book", {"city": "Rome", "seats": 2}) == "use book: city=Rome, seats=2"
    one = [intent("find", {"title": f"Volume {number}"}) for number in range(300)]
    in_words, named = (
        sum(thought == form.format(number) for number, thought in enumerate(one))
        for form in ("use find for Volume {}", "use find: title=Volume {}")
    )
    # As several values are written, in about a third: without it, a planner adds a second one.
    assert in_words + named == 300 and 70 < named < 130
