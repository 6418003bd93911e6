"""`umi run --mcp`: an MCP server's tools in an episode, notes, consent, errors."""

import json
import sys
from pathlib import Path

import pytest
from scripted_bundle import scripted_bundle
from typer.testing import CliRunner

from umi_lite.cli.app import app

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
HOSTILE = Path(__file__).parents[1] / "tools" / "mcp" / "hostile_server.py"
SERVER = f"{sys.executable} -I {HOSTILE}"
CALLER, DONE = "Look.\nNext: caller", "Done.\nNext: summarizer"


@pytest.fixture
def umi(tmp_path, monkeypatch):
    """Run `umi run …` on a bundle that says the turns."""
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))

    def run(turns, *options):
        run.engine = scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns)
        return CliRunner().invoke(app, ["run", "Erase it all.", *options])

    return run


def test_tools_of_a_server_are_offered_called_and_noted(umi):
    ended = umi([CALLER, 'echo {"text": "hi"}', DONE, "Hi."], "--mcp", SERVER)
    assert ended.exit_code == 0, ended.output
    assert "hostile: tool no_such_schema: " in ended.output
    called = '    caller echo {"text": "hi"}\n      note hostile: warning: first\n      tool hi\n'
    assert called in ended.output
    # The bundle's own tools are not offered with --mcp alone.
    assert "calculator" not in umi.engine.prompt(0) and "echo_again" not in umi.engine.prompt(0)


def test_an_episode_with_a_servers_tools_is_branched(umi, tmp_path, monkeypatch):
    umi([CALLER, 'echo {"text": "hi"}', DONE, "Hi."], "--mcp", SERVER)
    turns = ['echo {"text": "again"}', DONE, "Again."]
    scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns)
    branched = ["trace", "replay", "last", "--from", "2", "--mcp", SERVER, "--json"]
    ended = CliRunner().invoke(app, branched)
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["answer"] == "Again." and "tool again" in ended.stderr


def test_a_set_of_tools_is_offered_too_where_it_is_named(umi):
    umi([DONE, "Hi."], "--mcp", SERVER, "--tools", "toolworld")
    assert "calculator" in umi.engine.prompt(0) and "erase" in umi.engine.prompt(0)


@pytest.mark.parametrize(
    ("option", "result"),
    [((), "erase was not called: it is marked destructive"), (("--allow", "erase"), "all")],
)
def test_a_destructive_tool_needs_a_word(umi, option, result):
    turns = [CALLER, 'erase {"text": "all"}', DONE, "Hi."]
    ended = umi(turns, "--mcp", SERVER, *option)
    assert ended.exit_code == 0 and f"      tool {result}" in ended.output


def test_ask_asks_before_all_that_only_may_write(umi):
    ended = umi([CALLER, "fails {}", DONE, "Hi."], "--mcp", SERVER, "--ask")
    assert "fails was not called: it is not marked read-only by its server" in ended.output


def test_a_server_that_does_not_start_is_one_line_before_any_turn(umi):
    ended = umi([DONE], "--mcp", f"{SERVER} exits")
    assert str(ended.exception) == (
        f"MCP server '{SERVER} exits': Connection closed (it wrote: no API key)"
    )
    assert not umi.engine.asked
    slow = umi([DONE], "--mcp", f"{SERVER} silent", "--mcp-timeout", "1")
    assert "it did not list its tools within 1 s (it wrote: warming up)" in str(slow.exception)


def test_a_chat_has_the_tools_too(tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    turns = [CALLER, 'echo {"text": "hi"}', DONE, "Hi."]
    scripted_bundle(tmp_path / "r" / "bundle", monkeypatch, *turns)
    ended = CliRunner().invoke(app, ["chat", "--mcp", SERVER], input="Say hi.\n/tools\n")
    assert ended.exit_code == 0, ended.output
    assert "note hostile: warning: first\n" in ended.output and "tool hi\n" in ended.output
    assert "erase" in ended.output.partition("Hi.")[2]
