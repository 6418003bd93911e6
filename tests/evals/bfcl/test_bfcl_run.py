"""BFCL's tasks through the agent loop: every turn of a right agent, and what a wrong one gets."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from goldsayer import GoldSayer
from scripted import Scripted
from studies import STUDY

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.data import bfcl
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.evals.bfcl.gold import gold_calls
from umi_lite.evals.bfcl.run import RESULT, Outcome, gold_outcomes, rates, run_tasks
from umi_lite.evals.bfcl.worlds import World, gold_turns
from umi_lite.evals.bounds import bounds_of
from umi_lite.protocol.roles import call_text
from umi_lite.protocol.trajectory import Call, Observation, Plan, Trajectory, User

BOUNDS = bounds_of("bfcl")
MADE_BY = {"bundle": "r/bundle"}
EACH = None if STUDY else 12
Say = Callable[[Request], str]


def gold_says(tasks: list[Trajectory]) -> Say:
    """Return what a right agent says: the calls of each turn one by one, then an answer."""
    several = {t.id: t.meta["split"] in bfcl.MULTI_TURN for t in tasks}
    calls = {t.id: gold_turns(t) if several[t.id] else [gold_calls(t)] for t in tasks}
    begun = {t.id: len(t.steps) for t in tasks}

    def say(request: Request) -> str:
        so_far = request.episode.trajectory  # pyright: ignore[reportAttributeAccessIssue]
        steps = so_far.steps[begun[so_far.id] :]
        turn = sum(isinstance(step, User) for step in steps)
        last = [at for at, step in enumerate(steps) if isinstance(step, User)]
        now = steps[last[-1] + 1 :] if last else steps
        left = calls[so_far.id][turn][sum(isinstance(step, Call) for step in now) :]
        if request.view == "planner":
            return "Call it.\nNext: caller" if left else "Done.\nNext: summarizer"
        return call_text(left[0], so_far.tools) if request.view == "caller" else "It is done."

    return say


@contextmanager
def saying(gguf: Path, say: Say) -> Iterator[GoldSayer]:
    made = GoldSayer(gguf, say)
    try:
        yield made
    finally:
        made.close()


def run(engine, tasks: list[Trajectory], out: Path | None = None, **more) -> list[Outcome]:
    how = {"made_by": MADE_BY, "bounds": BOUNDS, "sampling": Sampling(), **more}
    return run_tasks(engine, tasks, out, **how)


@pytest.mark.parametrize("category", [c for c in bfcl.CATEGORIES if c != "live_relevance"])
def test_a_right_agent_scores_what_the_possible_answers_do(base_gguf: Path, category: str) -> None:
    tasks = bfcl.tasks(category, EACH, 5).trajectories
    with saying(base_gguf, gold_says(tasks)) as engine:
        outcomes = run(engine, tasks)
    gold = list(gold_outcomes(tasks))
    assert [o.id for o in outcomes] == [t.id for t in tasks]
    apart = sum(made != answer for made, answer in zip(outcomes, gold, strict=True))
    # Those that the grammar refuses (test_bfcl_check.py).
    assert apart <= (20 if STUDY else 1)


def test_an_agent_that_never_calls_is_right_where_no_call_fits() -> None:
    for category in ("irrelevance", "live_irrelevance", "live_relevance", "multiple"):
        tasks = bfcl.tasks(category, 6).trajectories
        for turns in (["No tool.\nNext: give_up"], ["Known.\nNext: summarizer", "Hm."]):
            (rate,) = rates(run(Scripted(*turns * len(tasks)), tasks)).values()
            assert rate.rate == category.endswith("irrelevance"), category


def test_an_episode_that_breaks_without_a_call_is_no_refusal() -> None:
    (task,) = bfcl.tasks("irrelevance", 1).trajectories
    (outcome,) = run(Scripted("Too long…"), [task])
    assert not outcome.ok and outcome.stop == "bad_turn"
    assert outcome.why.startswith("the turn was cut off")


def test_results_say_nothing_and_every_call_counts() -> None:
    (task,) = bfcl.tasks("parallel", 1).trajectories
    (tool,), right = task.tools, gold_calls(task)
    wrong = Call(tool=tool.name, arguments={})
    for calls in ([*right, wrong], [wrong, *right]):
        said = [part for c in calls for part in ("Go.\nNext: caller", call_text(c, task.tools))]
        engine = Scripted(*said, "Done.\nNext: summarizer", "Done.")
        (outcome,) = run(engine, [task])
        assert list(outcome.turns[0]) == calls and "wrong_count" in outcome.why
        seen = [r.episode.trajectory for r in engine.asked][-1].steps  # pyright: ignore
        results = {(s.content, s.error) for s in seen if isinstance(s, Observation)}
        assert results == {(RESULT, False)}


def test_a_history_is_read_and_its_turns_are_not_counted() -> None:
    task = next(t for t in bfcl.tasks("live_irrelevance").trajectories if t.steps)
    engine = Scripted("No tool.\nNext: give_up")
    (outcome,) = run(engine, [task])
    assert outcome.ok and outcome.turns == ((),)
    assert task.steps[-1].text.strip() in engine.prompt(0)  # pyright: ignore


def test_a_killed_run_resumes(tmp_path: Path, base_gguf: Path) -> None:
    tasks = bfcl.tasks("multiple", 6).trajectories + bfcl.tasks("multi_turn_base", 2).trajectories
    out = tmp_path / "out.jsonl"
    with saying(base_gguf, gold_says(tasks)) as engine:
        whole = run(engine, tasks)
        ends = iter([*range(4), KeyboardInterrupt()])

        def kill(_: Outcome) -> None:
            if isinstance(end := next(ends), BaseException):
                raise end

        with pytest.raises(KeyboardInterrupt):
            run(engine, tasks, out, on_outcome=kill)
        assert len(out.read_text().splitlines()) == 6
        with out.open("a") as file:
            file.write('{"id": "cut sh')
    seen: list[Outcome] = []
    with saying(base_gguf, gold_says(tasks)) as engine:
        assert run(engine, tasks, out, on_outcome=seen.append) == whole
    assert len(seen) == len(tasks)
    lines = [json.loads(line)["id"] for line in out.read_text().splitlines()[1:]]
    assert lines == [outcome.id for outcome in seen]
    assert run(Scripted(), tasks[:3], out) == whole[:3]
    with pytest.raises(UserError, match="was begun with other settings"):
        run(Scripted(), tasks, out, made_by={"bundle": "s/bundle"})
    out.write_text(json.dumps(MADE_BY) + '\n{"id": "x"}\n')
    with pytest.raises(UserError, match="holds a line that is not an outcome"):
        run(Scripted(), tasks, out)
    with pytest.raises(UserError, match="no task to run"):
        run(Scripted(), [])


def test_the_embedded_model_makes_calls_that_can_be_checked(engine: Engine) -> None:
    tasks = bfcl.tasks("simple_python", 2).trajectories
    short = Bounds(max_calls=1, max_thought_chars=60, max_thought_tokens=24, max_call_tokens=64)
    outcomes = run(engine, tasks, bounds=short)
    assert [o.id for o in outcomes] == [t.id for t in tasks]
    for task, outcome in zip(tasks, outcomes, strict=True):
        assert {call.tool for call in outcome.turns[0]} <= {tool.name for tool in task.tools}


def test_a_world_keeps_its_state_to_itself() -> None:
    task = next(t for t in bfcl.tasks("multi_turn_base").trajectories if t.id[-6:] == "base_1")
    one, other = World(task), World(task)
    assert "archive" in one.call(Call(tool="cd", arguments={"folder": "workspace"})).content + (
        one.call(Call(tool="ls", arguments={})).content
    )
    assert "log.txt" not in other.call(Call(tool="ls", arguments={})).content
    one.close()
    assert "log.txt" not in one.call(Call(tool="ls", arguments={})).content
    for made in (
        Call(tool="exec", arguments={"source": "raise SystemExit"}),
        Call(tool="ls", arguments={"a=exit()) or (b": True}),
        Call(tool="cd", arguments={"folder": "'); exit(); ('"}),
    ):
        assert "rror" in one.call(made).content
    one.close(), other.close()


def test_multi_turn_tasks_fail_by_state_result_or_a_turn_without_an_end(base_gguf: Path) -> None:
    tasks = bfcl.tasks("multi_turn_base", 6).trajectories
    say = gold_says(tasks)
    engine = Scripted(*["Known.\nNext: summarizer", "Done."] * 60)
    assert not any(outcome.ok for outcome in run(engine, tasks))
    cut = Scripted(*["Cut…"] * len(tasks))
    assert {(len(o.turns), o.stop) for o in run(cut, tasks)} == {(1, "bad_turn")}

    def one_less(request: Request) -> str:
        steps = request.episode.trajectory.steps  # pyright: ignore[reportAttributeAccessIssue]
        first = request.view == "planner" and not any(isinstance(step, Plan) for step in steps)
        return "Skip it.\nNext: give_up" if first else say(request)

    with saying(base_gguf, one_less) as made:
        outcomes = run(made, tasks)
    assert not any(outcome.ok for outcome in outcomes)
    assert {outcome.why.partition(":")[0] for outcome in outcomes} == {"multi_turn"}
