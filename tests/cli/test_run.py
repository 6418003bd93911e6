"""`umi run`: its bounds, what it prints, how it ends, where the trace goes."""

import json

import pytest
from scripted_bundle import scripted_bundle
from typer.testing import CliRunner

from umi_lite.agent.trace import Trace
from umi_lite.cli.app import app
from umi_lite.errors import Note
from umi_lite.serve.store import TraceStore

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"
CALL = 'calculator {"expression": "12 * 34"}'
FIELDS = ["answer", "stop", "error", "steps", "seconds", "tokens", "trace"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def umi(tmp_path, monkeypatch):
    """Run `umi run …` on a bundle that says the turns."""

    def run(turns, *options, words="What is 12 * 34?", stdin=None, **spec):
        run.engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns, **spec)
        return CliRunner().invoke(app, ["run", words, *options], input=stdin)

    return run


def test_json_is_one_object_on_one_line_and_nothing_else(umi):
    ended = umi([CALLER, CALL, DONE, "It is 408."], "--json")
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.count("\n") == 1
    made = json.loads(ended.stdout)
    assert [*made] == FIELDS
    assert (made["answer"], made["stop"], made["error"]) == ("It is 408.", "answer", None)
    assert made["steps"] == 1 and TraceStore().load(made["trace"]).answer == "It is 408."
    assert "calculator" in ended.stderr and "408" in ended.stderr


def test_one_episode_is_what_the_roles_are_opened_for(tmp_path, monkeypatch):
    engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, GIVE_UP)
    seen = []

    def opened(*_, overrides, **__):
        seen.append(overrides)
        return engine

    monkeypatch.setattr("umi_lite.bundle.open.open_roles", opened)
    CliRunner().invoke(app, ["run", "What is 12 * 34?", "--n-ctx", "700"])
    assert [(made.episodes, made.n_ctx) for made in seen] == [(1, 700)]


@pytest.mark.parametrize(
    ("turns", "options", "stop", "error"),
    [
        ([GIVE_UP], [], "give_up", "the planner gave up; say it in other words"),
        (["nobody"], [], "bad_turn", "no 'Next:' line"),
        ([CALLER], ["--max-calls", "0"], "max_calls", "more than 0 calls; raise --max-calls"),
        ([CALLER, CALL] * 2, [], "stuck", "calculator was called 2 times in a row"),
        ([], ["--max-seconds", "1e-9"], "timeout", "raise --max-seconds"),
    ],
)
def test_without_an_answer_the_reason_is_printed_and_the_exit_code_is_1(
    umi, turns, options, stop, error
):
    ended = umi(turns, "--json", *options)
    made = json.loads(ended.stdout)
    assert ended.exit_code == 1 and made["answer"] is None
    assert made["stop"] == stop and error in made["error"]
    ended = umi(turns, *options)
    last = ended.stdout.splitlines()[-1]
    assert ended.exit_code == 1 and last.startswith(f"stop: {stop}: ") and error in last


def test_an_answer_that_was_cut_off_says_so(umi):
    ended = umi([DONE, "It is 4…"], "--json")
    made = json.loads(ended.stdout)
    assert ended.exit_code == 0 and (made["answer"], made["stop"]) == ("It is 4…", "answer")
    assert made["error"] == "the answer was cut off after 10 tokens; raise --max-answer-tokens"


def test_the_bundles_bounds_and_sampling_act(umi):
    umi(
        [CALLER, CALL, DONE, "It is 408."],
        bounds={"max_thought_chars": 77, "max_call_tokens": 33, "max_answer_tokens": 44},
        sampling={"temperature": 0.6, "seed": 5},
    )
    planner, caller, _, summarizer = umi.engine.asked
    assert "{1,77}" in planner.grammar
    assert (caller.max_tokens, summarizer.max_tokens) == (33, 44)
    assert (planner.temperature, planner.seed) == (0.6, 5)


def test_an_option_holds_above_the_bundle(umi):
    options = ["--max-thought-chars", "55", "--max-thought-tokens", "66", "--temperature", "0.9"]
    umi(
        [CALLER, CALL, DONE, "It is 408."],
        *options,
        *("--sampling-seed", "8"),
        bounds={"max_thought_chars": 77, "max_thought_tokens": 99, "max_call_tokens": 33},
        sampling={"temperature": 0.6, "seed": 5},
    )
    planner, caller = umi.engine.asked[:2]
    assert "{1,55}" in planner.grammar and planner.max_tokens == 66
    assert caller.max_tokens == 33
    assert (planner.temperature, planner.seed) == (0.9, 8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-calls", "-1"], "max_calls is -1; it must be 0 or more"),
        (["--max-answer-tokens", "0"], "max_answer_tokens is 0; it must be 1 or more"),
        (["--max-seconds", "nan"], "max_seconds is nan; it must be above 0"),
        (["--temperature", "-1"], "temperature is -1.0; it must be 0 (greedy) or more"),
        (
            ["--sampling-seed", "3"],
            "--sampling-seed 3 changes nothing at temperature 0: give --temperature or --votes too",
        ),
    ],
)
def test_a_value_that_cannot_be_is_one_line_before_any_turn(umi, options, said):
    ended = umi([GIVE_UP], *options)
    assert str(ended.exception) == said and not umi.engine.asked


def test_a_hyphen_reads_the_instruction_from_stdin(umi):
    ended = umi([DONE, "Yes."], "--json", words="-", stdin="Is it\n12 * 34?\n")
    trace = TraceStore().load(json.loads(ended.stdout)["trace"])
    assert trace.trajectory.instruction == "Is it\n12 * 34?"


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        ("-", "\n ", "stdin holds no instruction"),
        ("-", b"\xff\xfe", "the instruction on stdin is not UTF-8 text"),
        (" ", None, "the instruction is empty"),
        ("caf\udce9", None, "the instruction is not UTF-8 text"),
    ],
)
def test_no_instruction_is_one_line(umi, words, stdin, said):
    ended = umi([GIVE_UP], words=words, stdin=stdin)
    assert str(ended.exception).startswith(said) and not umi.engine.asked


def test_the_answer_is_there_where_no_trace_can_be(umi, data):
    data.write_text("a file")
    with pytest.warns(Note, match=f"trace store {data}/traces.db cannot be written: ") as notes:
        ended = umi([CALLER, CALL, DONE, "It is 408."], "--json")
    made = json.loads(ended.stdout)
    assert (made["answer"], made["trace"]) == ("It is 408.", None) and ended.exit_code == 0
    assert len([note for note in notes if note.category is Note]) == 1


def test_a_store_that_is_something_else_is_left_alone(umi, data):
    data.mkdir()
    (data / "traces.db").write_text("my notes, not a database " * 99)
    with pytest.warns(Note, match="file is not a database; move it away or delete it"):
        ended = umi([DONE, "It is 408."], "--json")
    assert ended.exit_code == 0 and json.loads(ended.stdout)["trace"] is None
    assert (data / "traces.db").read_text().startswith("my notes")


def test_an_episode_is_kept_unless_it_shall_not(umi, data, tmp_path):
    assert json.loads(umi([DONE, "Yes."], "--json", "--no-save").stdout)["trace"] is None
    assert not data.exists()
    path = tmp_path / "t.json"
    ended = umi([DONE, "Yes."], "--trace", str(path))
    assert ended.stdout.endswith(f"stop: answer · trace: {path}\n")
    assert TraceStore().load("last") == Trace.load(path)


def test_an_interrupted_episode_is_kept(umi):
    assert isinstance(umi([CALLER, KeyboardInterrupt()]).exception, SystemExit | KeyboardInterrupt)
    kept = TraceStore().load("last")
    assert (kept.stop, len(kept.trajectory.steps)) == ("interrupted", 1)


def test_a_place_that_was_named_is_checked_before_the_episode(umi, tmp_path):
    ended = umi([GIVE_UP], "--trace", str(tmp_path))
    assert "cannot be written: Is a directory" in str(ended.exception)
    assert not umi.engine.asked


def test_the_home_folder_is_expanded(umi, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = umi([DONE, "Yes."], "--json", "--trace=~/mine/t.json")
    assert json.loads(ended.stdout)["trace"] == str(tmp_path / "mine" / "t.json")
    assert str(umi([GIVE_UP], "--trace=~nobody-at-all/t").exception) == (
        "~nobody-at-all/t: no home folder of that name"
    )


HOSTILE = ":smile: [red]x[/red] \x1b[31mred\x1b[0m \x9b2J \u202eback\r\n\tand on"


def test_what_a_model_or_a_tool_writes_is_shown_as_it_is(umi, tmp_path):
    """No emoji, no markup, no escapes; new lines and tabs stay."""
    tools = tmp_path / "tools.py"
    tools.write_text('def shout() -> str:\n    """Shout."""\n    return "\\x1b:smile:"\n')
    turns = [CALLER, "shout {}", DONE, HOSTILE]
    shown = umi(turns, "--tools", str(tools)).stdout
    told = CliRunner().invoke(app, ["trace", "show"]).stdout
    for text in (shown, told):
        assert r":smile: [red]x[/red] \x1b[31mred\x1b[0m \x9b2J \u202eback" + "\n" in text
        assert r"\x1b:smile:" in text and "and on" in text
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(text)
    lines = (
        umi(turns, "--tools", str(tools), "--json").stdout,
        CliRunner().invoke(app, ["trace", "show", "last", "--json"]).stdout,
    )
    for line in lines:
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(line)
    assert json.loads(lines[0])["answer"] == HOSTILE
