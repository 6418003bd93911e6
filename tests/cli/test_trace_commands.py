"""`umi trace`: list, show, export as JSON, and branches of an episode."""

import json
from pathlib import Path

import pytest
from scripted_bundle import scripted_bundle
from typer.testing import CliRunner

from umi_lite.agent.trace import Trace
from umi_lite.cli.app import app
from umi_lite.data import traces as source
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan
from umi_lite.serve.store import TraceStore

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"
CALL = 'calculator {"expression": "12 * 34"}'


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path / "data"))


def umi(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `umi COMMAND …` on a bundle that says the turns; return the trace it left."""

    def run(turns, *arguments, stdin=None) -> Trace:
        run.engine = scripted_bundle(tmp_path / "bundle", monkeypatch, *turns)
        done = umi(*arguments, "--json", stdin=stdin)
        assert done.stdout, done.exception
        return TraceStore().load(json.loads(done.stdout)["trace"])

    return run


@pytest.fixture
def made(run) -> Trace:
    """An episode with a call and an answer."""
    return run([CALLER, CALL, DONE, "It is 408."], "run", "What is 12 * 34?")


def test_list(run, made):
    run([GIVE_UP], "run", "Sing a song.\nLoud.")
    lines = umi("trace", "ls").stdout.splitlines()
    assert len(lines) == 2 and lines[0].endswith("Sing a song. Loud.")
    assert lines[1].startswith(made.trajectory.id) and " answer " in lines[1]
    assert umi("trace", "ls", "--failed").stdout.splitlines() == lines[:1]
    assert umi("trace", "ls", "--tool", "calculator", "--since", "1d").stdout == lines[1] + "\n"
    assert umi("trace", "ls", "408", "is").stdout == lines[1] + "\n"
    assert umi("trace", "ls", "-n", "1").stderr == "there are more than 1: raise -n\n"
    entry = json.loads(umi("trace", "ls", "--tool", "calculator", "--json").stdout)
    assert (entry["id"], entry["tools"]) == (made.trajectory.id, ["calculator"])
    nothing = umi("trace", "ls", "unheard of")
    assert nothing.exit_code == 0 and not nothing.stdout and "no traces match" in nothing.stderr
    assert "'soon' is not a time" in str(umi("trace", "ls", "--since", "soon").exception)


def test_bytes_that_are_no_text(made):
    for arguments, what in (
        (("ls", "\udcff"), "the words"),
        (("ls", "--tool", "\udcff"), "--tool"),
        (("show", "\udcff"), "a trace's id"),
    ):
        assert f"{what} is not UTF-8 text" in str(umi("trace", *arguments).exception)


def test_show_numbers_the_turns_and_prints_a_prompt(made):
    shown = umi("trace", "show").stdout
    for number, said in enumerate(("planner", "caller", "tool", "planner", "summarizer"), 1):
        assert f"{said:>10} {number:>3} " in shown
    assert "stop: answer" in shown
    assert umi("trace", "show", made.trajectory.id[:8]).stdout == shown
    prompt = umi("trace", "show", "last", "--prompt", "4").stdout
    assert prompt.startswith("<|im_start|>system\n") and "Result: 408<|im_end|>" in prompt
    assert prompt.endswith("<|im_start|>assistant\n\n")
    refused = str(umi("trace", "show", "last", "--prompt", "3").exception)
    assert "no prompt of turn 3; it has those of 1, 2, 4, 5" in refused


def test_export_is_the_exchange_format(run, made, tmp_path):
    one, many = tmp_path / "one.json", tmp_path / "deep" / "many.jsonl"
    assert umi("trace", "export", "last", "--out", str(one)).exit_code == 0
    assert Trace.load(one) == made
    assert umi("trace", "show", str(one), "--json").stdout == umi(
        "trace", "show", "last", "--json"
    ).stdout  # fmt: skip
    other = run([CALLER, CALL, GIVE_UP], "run", "Then 5 * 5?")
    done = umi("trace", "export", "--out", str(many))
    assert done.stdout == f"2 traces in {many}\n"
    loaded = source.load(many).trajectories
    assert loaded == [other.trajectory, made.trajectory]
    assert umi("trace", "export", str(one), "--out", str(tmp_path / "again.jsonl")).exit_code == 0
    for arguments, said in (
        (("--out", str(tmp_path / "x.json")), "can hold one trace, not 2"),
        (("--out", str(tmp_path / "x.txt")), "ends in .html, .json or .jsonl"),
        (("--words", "unheard of"), "no traces match"),
        ((str(tmp_path / "none.json"),), "No such file"),
        (("ghost",), "no trace 'ghost'"),
        (("last", "--failed"), "name traces, or filter those in the store, not both"),
    ):
        assert said in str(umi("trace", "export", *arguments).exception)


def branch(run, turns, *arguments, text: str | None = None) -> Trace:
    given = () if text is None else ("--with", "-")
    return run(turns, "trace", "replay", *arguments, *given, stdin=text)


def test_replay_takes_a_turn_again(run, made):
    new = branch(run, [GIVE_UP], "last", "--from", "4")
    assert new.stop == "give_up" and new.trajectory.steps[:3] == made.trajectory.steps[:3]
    assert new.trajectory.meta == {"branch_of": made.trajectory.id, "turn": 4}
    assert new.trajectory.id.startswith("replay-") and len(TraceStore().list()) == 2
    assert [turn.step for turn in new.turns] == [3]
    assert "Result: 408" in run.engine.prompt(0)


@pytest.mark.parametrize(
    ("turn", "text", "turns", "steps"),
    [
        ("1", "First 5 * 5.", ['calculator {"expression": "5 * 5"}', GIVE_UP],
         (Plan(thought="First 5 * 5.", next="caller"),
          Call(tool="calculator", arguments={"expression": "5 * 5"}),
          Observation(content="25"), Plan(thought="No.", next="give_up"))),
        ("4", "Check it.\r\nNext: caller\r\n", [CALL, GIVE_UP],
         (Plan(thought="Check it.", next="caller"),
          Call(tool="calculator", arguments={"expression": "12 * 34"}))),
        ("2", 'calculator {"expression": "1 + 1"}\n', [GIVE_UP],
         (Call(tool="calculator", arguments={"expression": "1 + 1"}), Observation(content="2"))),
        ("3", "It is broken.\n", [DONE, "Sorry."],
         (Observation(content="It is broken."), Plan(thought="Done.", next="summarizer"),
          Answer(text="Sorry."))),
    ],
)  # fmt: skip
def test_replay_with_a_turn_in_other_words(run, made, turn, text, turns, steps):
    new = branch(run, turns, made.trajectory.id, "--from", turn, text=text)
    at = int(turn) - 1
    assert new.trajectory.steps[:at] == made.trajectory.steps[:at]
    assert new.trajectory.steps[at : at + len(steps)] == steps


def test_replay_continues_an_episode_that_was_cut_short(run, tmp_path, monkeypatch):
    scripted_bundle(tmp_path / "bundle", monkeypatch, CALLER, CALL, RuntimeError("power"))
    assert isinstance(umi("run", "What is 12 * 34?").exception, RuntimeError)
    assert (TraceStore().load("last").stop, len(TraceStore().load("last").turns)) == ("error", 3)
    new = branch(run, [DONE, "It is 408."])
    assert new.answer == "It is 408." and len(new.trajectory.steps) == 5


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        ((), None, "nothing is to do after turn 5: name one with --from"),
        (("--from", "6"), None, "has no turn 6; it has 5"),
        (("--from", "0"), None, "has no turn 0; it has 5"),
        (("--from", "5"), "It is 9.", "turn 5: an answer ends the episode"),
        (("--from", "1"), "Stop.\nNext: give_up", "nothing is to do after turn 1"),
        (("--from", "1"), "Stop.\nNext: user", "turn 1: the planner named 'user'"),
        (("--from", "2"), "calculator 5", "turn 2: the call's arguments are not a JSON object"),
        (("--from", "2"), "ghost {}", "turn 2: no tool 'ghost'; there are convert, calculator"),
        ((), "It is 9.", "name the turn with --from"),
    ],
)
def test_what_cannot_be_a_branch_is_one_line(made, arguments, text, said):
    given = () if text is None else ("--with", "-")
    done = umi("trace", "replay", "last", *arguments, *given, stdin=text)
    assert isinstance(done.exception, UserError) and said in str(done.exception)


def test_a_branch_needs_the_traces_tools(made, tmp_path, monkeypatch):
    tools = tmp_path / "tools.py"
    tools.write_text('def shout() -> str:\n    """Shout."""\n    return "!"\n')
    scripted_bundle(tmp_path / "bundle", monkeypatch, GIVE_UP)
    done = umi("trace", "replay", "last", "--from", "4", "--tools", str(tools))
    assert "no tool convert, calculator" in str(done.exception) and "--tools" in str(done.exception)
    missing = umi("trace", "replay", "--from", "1", "--with", str(tmp_path / "none.txt"))
    assert "none.txt: No such file" in str(missing.exception)


def test_a_path_wins_over_an_id(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made.model_copy(update={"stop": "error"}).save(Path("last"))
    assert "stop: error" in umi("trace", "show", "last").stdout
