"""Live evaluation, with an engine that speaks the gold turns and with the real one."""

import json
from collections import deque
from collections.abc import Hashable, Sequence
from pathlib import Path

import pytest
from bytetokens import CHATML, END, ByteTokenizer
from rich.console import Console

from umi_lite.agent.episode import Bounds
from umi_lite.agent.trace import Trace
from umi_lite.data.toolworld import GIVE_UP, environment, load
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Generation, Request
from umi_lite.errors import Note, UserError
from umi_lite.evals.live import Score, environment_of, evaluate, judge
from umi_lite.evals.measure import measure
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.template import ChatTemplate
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory, View

# What an untrained model says is worth no more time.
SHORT = Bounds(max_calls=2, max_thought_chars=80, max_thought_tokens=24, max_call_tokens=48)


class Oracle(ByteTokenizer):
    """Says each trajectory's own steps. Where it has run out of them, it gives up."""

    def __init__(self, trajectories: Sequence[Trajectory]):
        super().__init__()
        self.template = ChatTemplate(CHATML, ends=[END])
        self.n_ctx, self.slots, self.base = 100_000, 3, Path("oracle.gguf")
        self.released = 0
        self._gold = {made.id: made for made in trajectories}
        self._queue: deque[Request] = deque()

    def view_of(self, role: View) -> View:
        return role

    def speaker_of(self, role: View) -> View:
        return self.view_of(role)

    def language(self, view: View) -> "Oracle":
        return self

    def generate(self, request: Request) -> Generation:
        so_far = request.episode.trajectory  # pyright: ignore[reportAttributeAccessIssue]
        steps = self._gold[so_far.id].steps[len(so_far.steps) :]
        step = steps[0] if steps else Plan(thought="No more.", next="give_up")
        text = step_text(step, so_far.tools)
        return Generation(ids=tuple(text.encode()), text=text, stop="eot")

    def submit(self, request: Request) -> None:
        self._queue.append(request)

    def step(self) -> list[tuple[Request, Generation]]:
        request = self._queue.popleft()
        return [(request, self.generate(request))]

    def release(self, episode: Hashable) -> None:
        self.released += 1


def run(tasks: Sequence[Trajectory], said: Sequence[Trajectory] | None = None) -> Score:
    return evaluate(Oracle(said or tasks), tasks)


@pytest.fixture(scope="module", params=["train", "test", "ood"])
def tasks(request: pytest.FixtureRequest) -> list[Trajectory]:
    return load(request.param, 150, seed=3).trajectories


def test_gold_episodes_succeed(tasks: list[Trajectory]) -> None:
    engine = Oracle(tasks)
    score = evaluate(engine, tasks)
    assert [r.why for r in score.results] == [""] * len(tasks)
    assert score.success.rate == score.decisions.rate == score.multi_call.rate == 1
    assert [r.id for r in score.results] == [t.id for t in tasks]
    assert all(r.made_calls == r.calls for r in score.results)
    assert engine.released == len(tasks)


def test_damaged_answers_fail(tasks: list[Trajectory]) -> None:
    able = [t for t in tasks if t.gold != GIVE_UP]
    said = [t.model_copy(update={"steps": (*t.steps[:-1], Answer(text="Done."))}) for t in able]
    score = run(able, said)
    assert score.success.hits == 0
    assert {r.why for r in score.results} == {"the answer does not hold the gold"}


def test_an_answer_without_the_needed_calls_fails_by_the_state() -> None:
    tasks = [t for t in load("test", 300, seed=3).trajectories if t.meta["changes"]]
    assert len(tasks) > 5
    said = [
        t.model_copy(update={"steps": (Plan(thought="Done.", next="summarizer"), t.steps[-1])})
        for t in tasks
    ]
    score = run(tasks, said)
    assert score.success.hits == 0
    assert all(r.why.startswith("the tools were left as") for r in score.results)
    # The first decision was the wrong one: caller would have been right.
    assert score.decisions.hits == 0 and score.decisions.n == len(tasks)


def test_giving_up_solves_what_cannot_be_done_and_nothing_else(tasks: list[Trajectory]) -> None:
    quit_ = (Plan(thought="No tool helps.", next="give_up"),)
    score = run(tasks, [t.model_copy(update={"steps": quit_}) for t in tasks])
    assert [r.ok for r in score.results] == [t.gold == GIVE_UP for t in tasks]
    assert score.report()["stops"] == {"give_up": len(tasks)}


def test_answering_what_cannot_be_done_fails() -> None:
    tasks = [t for t in load("test", 200, seed=3).trajectories if t.gold == GIVE_UP]
    lie = (Plan(thought="Done.", next="summarizer"), Answer(text="I give_up gladly did it."))
    score = run(tasks, [t.model_copy(update={"steps": lie}) for t in tasks])
    assert score.success.hits == 0


def test_report_is_json_and_its_groups_add_up(tasks: list[Trajectory]) -> None:
    report = json.loads(json.dumps(run(tasks).report()))
    assert report["success"]["n"] == len(report["results"]) == len(tasks)
    for group in ("by_split", "by_calls", "by_family"):
        assert sum(rate["n"] for rate in report[group].values()) == len(tasks)
    assert {"instruction", "gold", "answer", "ok", "stop"} <= set(report["results"][0])


def test_gsm8k_is_judged_by_its_number() -> None:
    steps = (
        Plan(thought="Compute it.", next="caller"),
        Call(tool="python", arguments={"code": "print(16 - 3 - 4)"}),
    )
    tools = environment_of(Trajectory(id="x", source="gsm8k", instruction="?")).specs
    task = Trajectory(id="x", source="gsm8k", tools=tools, instruction="How many?", gold="9")
    box = environment_of(task)
    seen = box.call(steps[1])
    assert seen.content == "9"
    for text, ok in (("16 eggs less 7 leave 9.", True), ("9 of 16 eggs, so 7.", False)):
        end = (seen, Plan(thought="Done.", next="summarizer"), Answer(text=text))
        score = run([task], [task.model_copy(update={"steps": steps + end})])
        assert score.success.rate == ok


@pytest.mark.parametrize(
    ("printed", "answer", "ok"),
    [
        ("2.5", r"The answer is $\frac{5}{2}$.", True),
        ("2.5", r"It is \boxed{2\frac12}.", True),
        ("7", "The answer is 3.", False),
        ("2.5", "The program printed what was asked for", True),
        ("3", "The program printed 2.5 which is what was asked for", False),
    ],
)
@pytest.mark.parametrize("source", ["math", "tora"])
def test_math_is_judged_by_value(source: str, printed: str, answer: str, ok: bool) -> None:
    tools = environment_of(Trajectory(id="m", source=source, instruction="?")).specs
    steps = (
        Plan(thought="Compute.", next="caller"),
        Call(tool="python", arguments={"code": f"print({printed!r})"}),
        Observation(content=printed),
        Plan(thought="Done.", next="summarizer"),
        Answer(text=answer),
    )
    task = Trajectory(
        id="m", source=source, instruction="Halve 5.", gold=r"\frac52", steps=steps, tools=tools
    )
    (result,) = run([task]).results
    assert result.ok is ok, result.why
    assert result.why == ("" if ok else "another value")


def test_a_wrong_answer_that_was_cut_off_says_so() -> None:
    task = Trajectory(id="x", source="gsm8k", instruction="How many?", gold="9")
    steps = (Plan(thought="Done.", next="summarizer"), Answer(text="It is 1"))
    made = task.model_copy(update={"steps": steps})
    trace = Trace(trajectory=made, stop="answer", error="the answer was cut off after 4 tokens")
    result = judge(task, trace, environment_of(task))
    assert result.why == "another number (the answer was cut off after 4 tokens)"


def test_what_cannot_be_judged_is_a_user_error() -> None:
    tasks = load("test", 2, seed=0).trajectories
    with pytest.raises(UserError, match="no task"):
        evaluate(Oracle([]), [])
    with pytest.raises(UserError, match="no gold"):
        run([tasks[0].model_copy(update={"gold": None})])
    with pytest.raises(UserError, match="toolbench"):
        run([tasks[0].model_copy(update={"source": "toolbench"})])


def test_the_real_engine_runs_and_is_judged(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [t for t in load("test", 40, seed=0).trajectories if t.meta["calls"] == 1][:2]
    for single in (False, True):
        if single:
            monkeypatch.setattr(engine, "view_of", lambda role: "backbone")
        score = evaluate(engine, tasks, bounds=SHORT, environment=environment)
        assert [r.id for r in score.results] == [t.id for t in tasks]
        assert score.single is single and all(r.tokens > 0 for r in score.results)
        stops = {"answer", "give_up", "max_calls", "stuck", "bad_turn", "context"}
        assert {r.stop for r in score.results} <= stops


def test_the_episodes_are_kept_where_asked(tmp_path: Path) -> None:
    tasks = load("test", 3, 1).trajectories
    score = measure(Oracle(tasks), tasks, "three", Console(quiet=True), traces=tmp_path)
    for result in score.results:
        trace = Trace.load(tmp_path / f"{result.id}.json")
        assert (trace.stop, trace.answer) == (result.stop, result.answer)
    assert len(list(tmp_path.iterdir())) == len(score.results) == 3


def test_no_episode_runs_where_none_could_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tasks = load("test", 1, 1).trajectories
    oracle = Oracle(tasks)
    with pytest.raises(UserError, match=r"trace .* cannot be written: File exists"):
        measure(oracle, tasks, "one", Console(quiet=True), traces=tmp_path / "file")
    assert not oracle.released


def test_a_disk_that_fills_up_does_not_lose_the_score(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("umi_lite.agent.trace.os.replace", full)
    tasks = load("test", 3, 1).trajectories
    with pytest.warns(Note, match="cannot be written: No space left") as notes:
        score = measure(Oracle(tasks), tasks, "three", Console(quiet=True), traces=tmp_path)
    assert len(score.results) == len(notes) == 3
