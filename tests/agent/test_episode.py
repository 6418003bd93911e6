"""The loop: who speaks when, every stop reason, every bound."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.episode import Episode
from umi_lite.agent.trace import Trace
from umi_lite.errors import Note, UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory
from umi_lite.tools.tools import Toolbox

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def repeat(text: str, times: int) -> str:
    """The text so many times."""
    return text * times


def leave() -> str:
    """End the program."""
    sys.exit(3)


def clock() -> str:
    """The hour."""
    clock.hour += 1
    return str(clock.hour)


clock.hour = 0
TOOLS = Toolbox([double, repeat, leave, clock])


def run(*turns, bounds=None, instruction="Do it.", n_ctx=100_000, single=False, **more):
    engine = Scripted(*turns, n_ctx=n_ctx, single=single)
    agent = Agent(engine, TOOLS, bounds or Bounds(), **more)
    return agent.run(instruction), engine


def test_a_whole_episode():
    trace, engine = run(CALLER, 'double {"n": 3}', DONE, "It is 6.")
    assert trace.stop == "answer" and trace.answer == "It is 6." and trace.error is None
    assert trace.trajectory.steps == (
        Plan(thought="Look.", next="caller"),
        Call(tool="double", arguments={"n": 3}),
        Observation(content="6"),
        Plan(thought="Done.", next="summarizer"),
        Answer(text="It is 6."),
    )
    assert [turn.view for turn in trace.turns] == [
        *("planner", "caller", "tool", "planner", "summarizer")
    ]
    assert engine.released and trace.model == "scripted.gguf"


def test_the_roles_read_one_transcript_behind_their_own_system_message():
    _, engine = run(CALLER, 'double {"n": 3}', DONE, "It is 6.")
    planner, caller, later, summarizer = (engine.prompt(i) for i in range(4))
    call = f'{CALLER}\ndouble {{"n": 3}}<|im_end|>'
    assert later.startswith(planner + call)
    assert "double(n: integer)" in caller and caller.endswith(CALLER + "\n")
    assert call in summarizer
    assert "double(" not in summarizer and "Result: 6" in summarizer
    assert len({request.episode for request in engine.asked}) == 1


def test_single_has_one_view_and_one_transcript():
    trace, engine = run(CALLER, 'double {"n": 3}', DONE, "It is 6.", single=True)
    assert trace.stop == "answer"
    assert {request.view for request in engine.asked} == {"backbone"}
    for i in range(3):
        assert engine.prompt(i + 1).startswith(engine.prompt(i))
    assert f'{CALLER}\ndouble {{"n": 3}}<|im_end|>' in engine.prompt(2)


def test_give_up():
    trace, _ = run(GIVE_UP)
    assert trace.stop == "give_up" and trace.answer is None


def test_max_calls():
    turns = [turn for n in range(3) for turn in (CALLER, f'double {{"n": {n}}}')]
    trace, _ = run(*turns[:4], CALLER, bounds=Bounds(max_calls=2))
    assert (trace.stop, trace.error) == ("max_calls", "the planner wanted more than 2 calls")
    assert sum(isinstance(s, Call) for s in trace.trajectory.steps) == 2


def test_stuck_only_on_the_same_call_with_the_same_observation():
    trace, _ = run(CALLER, 'double {"n": 1}', CALLER, 'double {"n": 1}')
    assert trace.stop == "stuck"
    assert trace.error == "double was called 2 times in a row with one result"
    trace, _ = run(CALLER, "clock {}", CALLER, "clock {}", GIVE_UP)
    assert trace.stop == "give_up"
    same = [CALLER, 'double {"n": 1}'] * 3
    trace, _ = run(*same, bounds=Bounds(repeats=3))
    assert trace.stop == "stuck" and len(trace.trajectory.steps) == 9


def test_timeout():
    trace, engine = run(CALLER, bounds=Bounds(max_seconds=1e-9))
    assert trace.stop == "timeout" and not engine.asked
    assert trace.error == "1e-09 s had passed before the planner's turn"


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        (["no speaker"], "no 'Next:' line"),
        (["Hm.\nNext: nobody"], "'nobody'"),
        (["Hm and so on…"], "cut off after"),
        ([CALLER, "double {"], "not JSON"),
        ([CALLER, "double [1]"], "not a JSON object"),
        ([CALLER, 'double {"n": 1…'], "cut off after"),
    ],
)
def test_bad_turn(turns, said):
    trace, _ = run(*turns)
    assert trace.stop == "bad_turn" and said in (trace.error or "")


def test_a_cut_answer_is_kept():
    trace, _ = run(DONE, "It is 6 and…")
    assert trace.stop == "answer" and trace.answer == "It is 6 and…"
    assert trace.error == "the answer was cut off after 14 tokens"


def test_a_tools_fault_is_an_observation():
    trace, _ = run(CALLER, 'double {"n": "x"}', CALLER, "ghost {}", GIVE_UP)
    errors = [s for s in trace.trajectory.steps if isinstance(s, Observation)]
    assert trace.stop == "give_up" and all(seen.error for seen in errors) and len(errors) == 2


def test_tool_crash():
    trace, _ = run(CALLER, "leave {}")
    assert trace.stop == "tool_crash" and trace.error == "tool leave: SystemExit: 3"


def test_observations_are_bounded():
    turns = (CALLER, 'repeat {"text": "ab", "times": 5000}', GIVE_UP)
    trace, _ = run(*turns, bounds=Bounds(max_observation_chars=100))
    seen = trace.trajectory.steps[2]
    assert isinstance(seen, Observation) and len(seen.content) <= 100
    assert seen.content.startswith("abab") and seen.content.endswith("abab")


def test_a_full_context_elides_the_oldest_observations():
    turns = [
        turn for n in (1, 2, 3) for turn in (CALLER, f'repeat {{"text": "{n}", "times": 500}}')
    ]
    trace, engine = run(*turns, GIVE_UP, n_ctx=2000, bounds=Bounds(max_call_tokens=160))
    last = engine.prompt(-1)
    assert trace.stop == "give_up" and trace.elided > 0
    assert "Result: [elided]" in last and "3" * 500 in last and "double(n: integer)" in last
    # What happened is kept: only the role's view of it is shortened.
    assert "1" * 500 in trace.trajectory.steps[2].content


def test_a_context_that_cannot_be_made_to_fit():
    trace, engine = run(CALLER, n_ctx=400)
    assert trace.stop == "context" and "400" in (trace.error or "") and not engine.asked


@pytest.mark.parametrize("instruction", ["", " \n"])
def test_an_empty_instruction(instruction):
    with pytest.raises(UserError, match="the instruction is empty"):
        run(CALLER, instruction=instruction)


def test_a_fault_is_raised_after_its_trace_is_saved(tmp_path):
    engine = Scripted(CALLER, RuntimeError("out of\norder"))
    with pytest.raises(RuntimeError, match="out of"):
        Agent(engine, TOOLS).run("Do it.", trace_path=tmp_path / "t" / "trace.json")
    trace = Trace.load(tmp_path / "t" / "trace.json")
    assert (trace.stop, trace.error) == ("error", "RuntimeError: out of order")
    assert trace.trajectory.steps == (Plan(thought="Look.", next="caller"),)
    assert engine.released


def test_no_turn_is_made_where_its_trace_could_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "t.json", tmp_path, Path("/dev/null"), Path("/proc/t.json")):
        engine = Scripted(GIVE_UP)
        with pytest.raises(UserError, match=f"trace {place} cannot be written: "):
            Agent(engine, TOOLS).run("Do it.", trace_path=place)
        assert not engine.asked
    assert Path("/dev/null").is_char_device()


def test_a_trace_that_cannot_be_written_at_last_does_not_lose_the_answer(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("umi_lite.agent.trace.os.replace", full)
    with pytest.warns(Note, match=r"t\.json cannot be written: No space left"):
        trace = Agent(Scripted(DONE, "6."), TOOLS).run("Do it.", trace_path=tmp_path / "t.json")
    assert trace.answer == "6."


def test_an_interrupt_is_raised_after_its_trace_is_saved(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Agent(Scripted(KeyboardInterrupt()), TOOLS).run("Do it.", trace_path=tmp_path / "t.json")
    assert Trace.load(tmp_path / "t.json").stop == "interrupted"


def test_events_are_told_by_role():
    heard = []
    engine = Scripted(CALLER, 'double {"n": 3}', DONE, "It is 6.")
    Agent(engine, TOOLS).run("Do it.", on_event=lambda who, text: heard.append((who, text)))
    assert heard == [
        ("planner", CALLER),
        ("caller", 'double {"n": 3}'),
        ("tool", "6"),
        ("planner", DONE),
        ("summarizer", "It is 6."),
    ]


def test_sampled_turns_have_seeds_of_their_own():
    engine = Scripted(CALLER, 'double {"n": 3}', GIVE_UP)
    Agent(engine, TOOLS, sampling=Sampling(temperature=0.7, seed=10)).run("Do it.")
    seeds = [request.seed for request in engine.asked]
    assert len(set(seeds)) == 3 and all(r.temperature == 0.7 for r in engine.asked)


def jobs(count):
    for i in range(count):
        trajectory = Agent(Scripted(GIVE_UP), TOOLS).run(f"Task {i}.").trajectory
        yield Job.replay(trajectory, TOOLS)


def test_many_run_side_by_side_and_return_in_order():
    engine = Scripted(*[GIVE_UP] * 5, slots=2)
    seen = []
    traces = run_many(engine, jobs(5), on_trace=lambda i, trace: seen.append(i))
    assert [t.trajectory.instruction for t in traces] == [f"Task {i}." for i in range(5)]
    assert engine.most == 2 and sorted(seen) == [0, 1, 2, 3, 4]
    assert all(t.trajectory.steps == (Plan(thought="No.", next="give_up"),) for t in traces)


def test_one_episodes_fault_leaves_the_others_alone():
    turns = ["no speaker", CALLER, GIVE_UP, "leave {}"]
    traces = run_many(Scripted(*turns, slots=3), jobs(3))
    assert [trace.stop for trace in traces] == ["bad_turn", "tool_crash", "give_up"]


def test_an_interrupted_batch_leaves_every_trace():
    engine = Scripted(GIVE_UP, KeyboardInterrupt(), slots=2)
    seen = {}
    with pytest.raises(KeyboardInterrupt):
        run_many(engine, jobs(3), on_trace=seen.__setitem__)
    assert {i: trace.stop for i, trace in seen.items()} == {
        **{0: "give_up", 1: "interrupted", 2: "interrupted"}
    }


def test_a_job_that_cannot_begin_is_named():
    good = next(iter(jobs(1)))
    empty = Job(good.trajectory.model_copy(update={"instruction": " ", "id": "x7"}), TOOLS)
    with pytest.raises(UserError, match=r"job 1 \(x7\): the instruction is empty"):
        run_many(Scripted(GIVE_UP, slots=2), [good, empty])


def test_no_jobs():
    assert run_many(Scripted(), []) == []


def continued(steps, *turns, **bounds):
    """Run a task whose first steps are given."""
    task = Trajectory(id="t", source="run", tools=TOOLS.specs, instruction="Do it.", steps=steps)
    engine = Scripted(*turns)
    return Agent(engine, TOOLS, Bounds(**bounds)).run(task), engine


@pytest.mark.parametrize(
    ("given", "turns"),
    [
        (0, [CALLER, 'double {"n": 3}', DONE, "It is 6."]),
        (1, ['double {"n": 3}', DONE, "It is 6."]),
        (2, [DONE, "It is 6."]),
        (3, [DONE, "It is 6."]),
        (4, ["It is 6."]),
    ],
)
def test_the_loop_continues_after_the_given_steps(given, turns):
    whole, _ = run(CALLER, 'double {"n": 3}', DONE, "It is 6.")
    trace, engine = continued(whole.trajectory.steps[:given], *turns)
    assert trace.trajectory.steps == whole.trajectory.steps and trace.stop == "answer"
    assert not engine.turns and [t.step for t in trace.turns] == [*range(given, 5)]


def test_a_given_plan_to_give_up_ends_it():
    trace, engine = continued((Plan(thought="No.", next="give_up"),))
    assert trace.stop == "give_up" and not engine.asked


def test_each_step_is_reported_as_it_is_made():
    seen = []
    engine = Scripted(CALLER, 'double {"n": 3}', DONE, "It is 6.")
    task = Trajectory(id="t", source="run", tools=TOOLS.specs, instruction="Do it.")
    episode = Episode(task, engine, on_step=lambda e: seen.append(e.trace()))
    steps = episode.run()
    answer = None
    with suppress(StopIteration):
        while True:
            asked = steps.send(answer)
            answer = TOOLS.call(asked) if isinstance(asked, Call) else engine.generate(asked)
    assert [len(trace.trajectory.steps) for trace in seen] == [1, 2, 3, 4, 5]
    assert [len(trace.turns) for trace in seen] == [1, 2, 3, 4, 5]
