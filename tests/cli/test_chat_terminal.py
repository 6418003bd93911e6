"""`umi chat` on a real terminal of 40 columns, with the embedded model."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from tiny_lora import write_adapter

from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import write_bundle
from umi_lite.protocol.trajectory import VIEWS

UMI = str(Path(sys.executable).parent / "umi")
# A process of a script in the background ignores Ctrl-C, and so would what it starts.
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
UP, CTRL_D, PROMPT = "\x1b[A", "\x04", "user .{0,9}$"


@pytest.fixture(scope="module")
def folder(base_gguf, tmp_path_factory) -> Path:
    """A bundle of untrained roles, whose turns end where their bounds are."""
    made = tmp_path_factory.mktemp("chat")
    adapters = {view: write_adapter(made / f"{view}.gguf", seed=i) for i, view in enumerate(VIEWS)}
    write_bundle(made / "bundle", base_gguf=base_gguf, adapters=adapters, tools="toolworld")
    (made / "sitecustomize.py").write_text(START)
    return made


@pytest.fixture
def start(folder, tmp_path) -> Iterator:
    """Start `umi chat` on a terminal, 24 rows of 40 columns."""
    children = []

    def begin(*options: str) -> pexpect.spawn:
        child = pexpect.spawn(
            UMI,
            ["chat", "-b", str(folder / "bundle"), "--n-ctx", "1024", *options],
            env=os.environ
            | {
                "PYTHONPATH": str(folder),
                "UMI_LITE_CACHE": str(tmp_path),
                "UMI_LITE_DATA": str(tmp_path),
                "TERM": "xterm",
                "NO_COLOR": "",
                "COLUMNS": "40",
            },
            dimensions=(24, 40),
            encoding="utf-8",
            timeout=60,
        )
        children.append(child)
        child.expect(PROMPT)
        return child

    yield begin
    for child in children:
        child.close(force=True)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


SHORT = ("--max-thought-chars", "30", "--max-answer-tokens", "12", "--max-calls", "1")


def test_turns_commands_and_the_end(start, tmp_path):
    path = tmp_path / "t.json"
    child = start(*SHORT, "--trace", str(path))
    child.sendline("What is 12 * 34?")
    child.expect("planner ")
    child.expect(PROMPT)
    child.sendline("/trace")
    child.expect("stop: ")
    child.expect(PROMPT)
    child.sendline("/tools")
    child.expect("calculator  Compute")
    child.expect(PROMPT)
    said = plain(child.before)
    assert max(map(len, said.splitlines())) <= 40
    child.send(CTRL_D)
    child.expect("trace: ")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    assert Trace.load(path).trajectory.instruction == "What is 12 * 34?"


def test_ctrl_c_stops_a_turn_and_not_the_chat(start, tmp_path):
    path = tmp_path / "t.json"
    child = start("--max-thought-chars", "400", "--max-thought-tokens", "400", "--trace", str(path))
    child.sendline("Write a long story about the sea.")
    child.expect("planner ")
    child.expect("[a-z]{2}")
    child.sendintr()
    child.expect("stopped; /retry runs it again")
    child.expect(PROMPT)
    assert not path.exists()
    # At the prompt it drops the line. (Python itself may lose a Ctrl-C as a prompt appears.)
    child.send("half a li")
    child.expect("half a li")
    child.sendintr()
    child.expect("Ctrl-D ends the chat")
    child.expect(PROMPT)
    child.sendline("/retry")
    child.expect("planner ")
    child.sendintr()
    child.expect("stopped; /retry runs it again")
    child.expect(PROMPT)
    child.sendline("/system")
    child.expect("planner: Plan the task")
    child.expect(PROMPT)
    child.sendeof()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0 and not path.exists()


def test_the_history_is_kept_for_the_next_chat(start, tmp_path):
    child = start(*SHORT)
    for line in ("/tools zebra", "/tools Käse", "/tools Käse"):
        child.sendline(line)
        child.expect("no tool fits")
        child.expect(PROMPT)
    child.sendeof()
    child.expect(pexpect.EOF)
    history = tmp_path / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert history.read_text().splitlines()[-2:] == ["/tools zebra", "/tools Käse"]
    child = start(*SHORT)
    child.send(UP)
    child.expect("/tools Käse")
    child.send(UP)
    child.expect("zebra")
    child.sendline("")
    child.expect("no tool fits")
    child.expect(PROMPT)
    child.sendeof()
    child.expect(pexpect.EOF)
