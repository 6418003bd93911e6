"""`umi chat` without a terminal: lines in, turns out; its commands, and where the trace goes."""

import json
from pathlib import Path

import pytest
from scripted_bundle import scripted_bundle
from typer.testing import CliRunner

from umi_lite.agent.trace import Trace
from umi_lite.cli.app import app
from umi_lite.errors import Note
from umi_lite.serve.store import TraceStore

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"
CALL = 'calculator {"expression": "12 * 34"}'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "cache"


@pytest.fixture
def chat(tmp_path, monkeypatch):
    """Run `umi chat` on a bundle that says the turns, with lines on stdin."""

    def run(turns, *lines, options=(), **spec):
        run.engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns, **spec)
        stdin = "".join(f"{line}\n" for line in lines)
        return CliRunner().invoke(app, ["chat", *options], input=stdin)

    return run


def traces() -> list[Trace]:
    with TraceStore() as store:
        return [store.load(entry.id) for entry in store.list()]


def test_lines_are_turns_of_one_transcript(chat):
    ended = chat([CALLER, CALL, DONE, "It is 408.", DONE, "408."], "What is 12 * 34?", "", "Again?")
    assert ended.exit_code == 0, ended.output
    said = ended.output.splitlines()
    assert said[0] == "5 tools; /help lists the commands"
    assert said[1] == "      user What is 12 * 34?" and "      user Again?" in said
    assert "      tool 408" in said and "summarizer It is 408." in said
    (trace,) = traces()
    assert trace.trajectory.instruction == "What is 12 * 34?" and trace.answer == "408."
    assert len(trace.turns) == 7
    assert said[-1] == f"trace: {trace.trajectory.id}"
    shown = CliRunner().invoke(app, ["trace", "show", trace.trajectory.id])
    assert "Again?" in shown.output and "408." in shown.output


def test_a_turn_without_an_answer_says_why_and_the_chat_continues(chat):
    ended = chat([GIVE_UP, CALLER, DONE, "Yes."], "Fly.", "Really?", options=["--max-calls", "0"])
    assert ended.exit_code == 0
    assert "give_up: the planner gave up; say it in other words" in ended.output
    assert "max_calls: the planner wanted more than 0 calls; raise --max-calls" in ended.output


def test_undo_retry_and_new(chat):
    turns = [DONE, "One.", DONE, "Two.", DONE, "Three.", DONE, "Four."]
    lines = [
        "First?",
        "Second?",
        "/undo",
        "/retry",
        "/new",
        "Third?",
        "/undo",
        "/undo",
        "/exit",
        "x",
    ]
    ended = chat(turns, *lines)
    assert ended.exit_code == 0, ended.output
    said = ended.output.splitlines()
    assert "taken back: Second?" in said and "taken back: Third?" in said
    assert "nothing was said yet" in said and "an empty transcript" in said
    assert [len(r.ids) for r in chat.engine.asked][4] == len(chat.engine.asked[0].ids)
    assert chat.engine.asked[4].temperature == 0.7
    # The first chat after /retry; the second was taken back whole, so it is not kept.
    assert [trace.answer for trace in traces()] == ["Three."]
    assert all(len(trace.turns) == 2 for trace in traces())
    assert "user x" not in ended.output


def test_trace_and_save(chat, tmp_path):
    path = tmp_path / "kept" / "one.json"
    lines = [
        "/trace",
        "/save",
        f"/save {path}",
        "First?",
        "/trace",
        f"/save {path}",
        "/save /proc/x/y",
    ]
    ended = chat([DONE, "One."], *lines)
    said = ended.output.splitlines()
    assert said.count("nothing was said yet") == 2 and "name a file: /save FILE" in said
    assert "summarizer One." in said and any("2 turns" in line for line in said)
    assert f"saved to {path}" in said and Trace.load(path).answer == "One."
    assert any(line.startswith("trace /proc/x/y cannot be written") for line in said)


def test_tools_and_help_fit_40_columns(chat, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    ended = chat([DONE, "One."], "/help", "/tools", "/tools unit", "/tools zebra", "First?")
    said = ended.output.splitlines()
    assert any(line.startswith("  convert  Convert a value") for line in said)
    tools = [line for line in said if line.startswith("  ") and not line.startswith("   ")]
    assert len(tools) == 6 and max(map(len, tools)) <= 40
    assert "no tool fits" in said and "summarizer One." in said and "user First?" in said
    assert any(line.startswith("/undo  ") for line in said)


def test_many_tools_are_marked_where_they_were_shown(chat):
    ended = chat([DONE, "One."], "/tools", "Buy a ski pass.", "/tools", "/tools ski pass",
                 options=["--tools", "wild", "--max-tools", "3"])  # fmt: skip
    said = ended.output.splitlines()
    assert any("more: /tools NEED searches them" in line for line in said)
    marked = [line for line in said if line.startswith("* ")]
    assert len(marked) == 6 and any("ski" in line for line in marked)


def test_system(chat):
    lines = ["/system", "/system Speak French.", "/system", "Yes?", "/system"]
    ended = chat([DONE, "Oui."], *lines, options=["--system", "Be brief."])
    said = ended.output.splitlines()
    assert (
        "planner: Plan the task. Think, then say who is next: caller, summarizer or give_up."
        in said
    )
    assert "before the next message: Be brief." in said
    assert "before the next message: Speak French." in said
    assert "/system TEXT adds to it" in said
    assert "user\nSpeak French.\n\nYes?" in chat.engine.prompt(0)


def test_lines_that_continue_and_begin_with_a_slash(chat):
    ended = chat([DONE, "One.", DONE, "Two."], "Is it\\", "so?", "//tmp is a folder", "/nothing")
    assert "user\nIs it\nso?<" in chat.engine.prompt(0)
    assert "user\n/tmp is a folder<" in chat.engine.prompt(2)
    assert "no command /nothing; there are /help, /tools" in ended.output


def test_what_cannot_be(chat, tmp_path):
    ended = chat([], "Hello?", options=["--tools", "nothing"])
    assert "no tools 'nothing'" in str(ended.exception)
    ended = chat([], "Hello?", tools=None)
    assert "names no live tools: say which ones with --tools or --mcp" in str(ended.exception)
    ended = chat([], options=["--system", "\udcff"])
    assert "--system is not UTF-8 text" in str(ended.exception)
    ended = chat([], options=["--trace", str(tmp_path)])
    assert "cannot be written: Is a directory" in str(ended.exception)
    scripted = chat([DONE, "One."], "Ok?", options=["--trace", str(tmp_path / "t.json")])
    assert scripted.exit_code == 0 and Trace.load(tmp_path / "t.json").answer == "One."


def test_a_full_disk_loses_the_trace_alone(chat, tmp_path, monkeypatch):
    def full(self, path: Path) -> None:
        from umi_lite.errors import UserError

        raise UserError(f"trace {path} cannot be written: No space left on device")

    monkeypatch.setattr(Trace, "save", full)
    with pytest.warns(Note, match="No space left"):
        ended = chat([DONE, "One."], "First?", options=["--trace", str(tmp_path / "t.json")])
    assert ended.exit_code == 0 and "summarizer One." in ended.output


def test_a_store_that_cannot_be_written_is_one_note(chat, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.warns(Note, match="the trace is not kept there") as noted:
        ended = chat([DONE, "One.", DONE, "Two."], "First?", "Second?")
    assert ended.exit_code == 0 and "summarizer Two." in ended.output
    assert len(noted) == 1 and "trace: " not in ended.output
    ended = chat([DONE, "One."], "First?", options=["--no-save"])
    assert ended.exit_code == 0 and "trace: " not in ended.output


def test_an_error_of_the_program_keeps_its_traceback(chat):
    ended = chat([DONE, RuntimeError("broken")], "First?")
    assert isinstance(ended.exception, RuntimeError)


def test_bytes_that_are_no_text(tmp_path, monkeypatch):
    scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, DONE, "One.")
    ended = CliRunner().invoke(app, ["chat"], input=b"\xff\xfe\nOk?\n")
    assert "a line on stdin is not UTF-8 text" in ended.output and "summarizer One." in ended.output


def test_the_file_is_one_that_umi_trace_show_reads(chat, tmp_path):
    path = tmp_path / "t.json"
    chat([DONE, "One.", DONE, "Two."], "First?", "Second?", options=["--trace", str(path)])
    shown = CliRunner().invoke(app, ["trace", "show", str(path)])
    assert "Second?" in shown.output and "Two." in shown.output
    assert json.loads(path.read_text())["trajectory"]["steps"][2]["kind"] == "user"
