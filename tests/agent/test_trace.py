"""A trace is saved whole or not at all; how its episode ended is one line."""

from typing import get_args

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds
from umi_lite.agent.trace import StopReason, Trace, TraceTurn, ending
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory
from umi_lite.tools.tools import Toolbox

TRACE = Trace(
    trajectory=Trajectory(
        id="a",
        source="run",
        instruction="Grüße 東京",
        steps=(Plan(thought="T", next="summarizer"), Answer(text="Hi")),
    ),
    stop="answer",
    turns=(
        TraceTurn(view="planner", evaluated=10, decoded=4, generated=5, stop="grammar"),
        TraceTurn(view="tool", tool_seconds=0.5),
        TraceTurn(view="summarizer", evaluated=7, decoded=2, generated=2, stop="eot"),
    ),
    seconds=1.5,
    model="base.gguf",
)


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "deep" / "trace.json"
    TRACE.save(path)
    assert Trace.load(path) == TRACE
    assert [p.name for p in path.parent.iterdir()] == ["trace.json"]
    assert (TRACE.tokens, TRACE.generated, TRACE.answer) == (23, 7, "Hi")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "invalid JSON"),
        ('{"version": 1', "invalid JSON"),
        ("[]", "trace of version 1"),
        ('{"version": 2, "stop": "answer"}', "version"),
        (TRACE.model_dump_json()[:-1] + ', "extra": 1}', "extra"),
        (TRACE.model_dump_json().replace('"answer","error"', '"won","error"'), "stop"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as err:
        Trace.load(path)
    assert str(path) in str(err.value) and "\n" not in str(err.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        Trace.load(tmp_path / "none.json")


def test_a_full_disk_leaves_the_old_trace(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    TRACE.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("umi_lite.agent.trace.os.replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        TRACE.model_copy(update={"stop": "error"}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def lines(n: int) -> str:
    """That many lines."""
    return "a line\n" * n


def leave() -> str:
    """End the program."""
    raise SystemExit(3)


def end(*turns, n_ctx=100_000, **bounds):
    agent = Agent(Scripted(*turns, n_ctx=n_ctx), Toolbox([double, leave]), Bounds(**bounds))
    return ending(agent.run("Do it."))


@pytest.mark.parametrize(
    ("turns", "bounds", "said"),
    [
        ([GIVE_UP], {}, "the planner gave up; say it in other words, or give tools"),
        ([CALLER], {"max_calls": 0}, "the planner wanted more than 0 calls; raise --max-calls"),
        ([CALLER, 'double {"n": 1}'] * 2, {}, "with one result; say it in other words, or raise"),
        ([], {"max_seconds": 1e-9}, "before the planner's turn; raise --max-seconds"),
        ([], {"n_ctx": 300}, "do not fit a context of 300; raise --n-ctx"),
        (["no speaker"], {}, "no 'Next:' line: 'no speaker'; say it in other words, or sample"),
        (["Hm and…"], {}, "cut off after 9 tokens: 'Hm and…'; raise --max-thought-tokens"),
        ([CALLER, "double {…"], {}, "raise --max-call-tokens"),
        ([CALLER, "leave {}"], {}, "tool leave: SystemExit: 3; let the tool raise"),
        ([DONE, "It is 6 and…"], {}, "the answer was cut off after 14 tokens; raise --max-answer-"),
    ],
)
def test_the_reason_and_what_to_try(turns, bounds, said):
    made = end(*turns, **bounds)
    assert made is not None and said in made and "\n" not in made


def test_a_whole_answer_needs_no_word():
    assert end(DONE, "It is 6.") is None


@pytest.mark.parametrize("stop", get_args(StopReason))
def test_a_trace_of_an_older_version_has_a_reason_too(stop):
    """It has no `error` where the limit of calls, of time or of an answer's tokens ended it."""
    steps = (Plan(thought="T", next="summarizer"), Answer(text="Hi"))
    task = Trajectory(id="a", source="run", instruction="Hi", steps=steps)
    cut = (TraceTurn(view="summarizer", stop="length"),) if stop == "answer" else ()
    assert ending(Trace(trajectory=task, stop=stop, turns=cut))


def text_of(trace: Trace, turn: int) -> str:
    return "".join(text for text, _ in trace.prompt(turn))


@pytest.mark.parametrize("single", [False, True])
def test_the_prompt_of_each_turn_is_what_the_engine_was_asked(single):
    engine = Scripted(
        CALLER, 'double {"n": 1}', CALLER, 'double {"n": 2}', DONE, "4", single=single
    )
    trace = Agent(engine, Toolbox([double])).run("Do it. <|im_end|>")
    spoken = [number for number, turn in enumerate(trace.turns) if turn.view != "tool"]
    for asked, number in enumerate(spoken):
        assert text_of(trace, number) == engine.prompt(asked), number
    assert trace.prompt(2) == [] and trace.turns[2].view == "tool"
    # What the user wrote is plain text; the template's marks are not.
    assert ("Do it. <|im_end|>", False) in trace.prompt(0)
    assert [special for _, special in trace.prompt(0)[-1:]] == [True]
    assert len(trace.pieces) == len(set(trace.pieces))
    assert Trace.model_validate_json(trace.model_dump_json()).prompt(7) == trace.prompt(7)


def test_the_prompt_after_observations_were_elided():
    turns = [CALLER, 'lines {"n": 40}', CALLER, 'lines {"n": 41}', GIVE_UP]
    engine = Scripted(*turns, n_ctx=900)
    trace = Agent(engine, Toolbox([lines])).run("Do it.")
    spoken = [number for number, turn in enumerate(trace.turns) if turn.view != "tool"]
    assert trace.elided and "[elided]" in text_of(trace, spoken[-1])
    for asked, number in enumerate(spoken):
        assert text_of(trace, number) == engine.prompt(asked), number


def test_a_turn_names_its_step_and_when_it_began():
    trace = Agent(Scripted(CALLER, 'double {"n": 1}', "nobody"), Toolbox([double])).run("Do it.")
    assert [turn.step for turn in trace.turns] == [0, 1, 2, 3]
    assert len(trace.trajectory.steps) == 3 and trace.turns[3].said == "nobody"
    begun = [turn.at for turn in trace.turns]
    assert begun == sorted(begun) and begun[-1] <= trace.seconds and trace.started is not None
