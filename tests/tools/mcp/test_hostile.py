"""A hostile MCP server costs one observation or one named error: no other server, no process."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import alive, nothing_left, until
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Observation
from umi_lite.tools.tools import Toolbox

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
from mcp_types import JSONRPCResponse

from umi_lite.tools.mcp import stdio
from umi_lite.tools.mcp.config import Server
from umi_lite.tools.mcp.connection import Deadlines
from umi_lite.tools.mcp.servers import McpServers, mcp_servers
from umi_lite.tools.mcp.sift import Sift

HOSTILE = Path(__file__).parent / "hostile_server.py"
WITHOUT = ("echo", "hostile__echo")


def server(name: str, *mode: str) -> Server:
    return Server(name, name, (sys.executable, "-I", str(HOSTILE), *mode))


def said(box: Toolbox, tool: str, **arguments: str) -> str:
    """The result of a call that works."""
    made = box.call(Call(tool=tool, arguments=arguments))
    assert not made.error, made.content
    return made.content


def fault(box: Toolbox, tool: str, **arguments: str) -> str:
    """The error of a call, in one line."""
    made = box.call(Call(tool=tool, arguments=arguments))
    assert made.error and "\n" not in made.content
    return made.content


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def box(notes: list[str]) -> Iterator[Toolbox]:
    """A hostile server and a good one."""
    servers = (server("hostile"), server("good"))
    with (
        nothing_left(),
        McpServers(servers, deadlines=Deadlines(60, 60)).toolbox(note=notes.append) as made,
    ):
        yield made
        assert said(made, "good__echo", text="here") == "here"


def test_notifications_before_the_first_answer_are_taken(box: Toolbox, notes: list[str]) -> None:
    assert said(box, "hostile__echo", text="hi") == "hi"
    assert "hostile: warning: first" in notes


def test_a_schema_that_is_none_leaves_out_its_tool_alone(box: Toolbox, notes: list[str]) -> None:
    names = {spec.name for spec in box.specs}
    assert "hostile__die" in names and "hostile__no_such_schema" not in names
    assert any(
        re.match(r"hostile: tool no_such_schema: inputSchema.properties.x.*; left out", note)
        for note in notes
    ), notes


def test_a_server_that_dies_in_a_call_is_there_again_at_the_next(box: Toolbox) -> None:
    assert fault(box, "hostile__die") == (
        "MCP server 'hostile' ended during the call (it wrote: segmentation fault, it says)"
    )
    assert said(box, "hostile__echo", text="again") == "again"
    fault(box, "hostile__die")


def test_a_call_that_hangs_ends_at_its_deadline() -> None:
    servers = McpServers((server("hostile"), server("good")), deadlines=Deadlines(60, 4))
    with nothing_left(), servers.toolbox() as box:
        assert fault(box, "hostile__hang") == "no answer from MCP server 'hostile' within 4 s"
        assert said(box, "good__echo", text="meanwhile") == "meanwhile"


def test_ten_megabytes_become_a_visibly_cut_observation(box: Toolbox) -> None:
    turns = ["Look.\nNext: caller", "hostile__flood {}", "Done.\nNext: summarizer", "Long."]
    trace = Agent(Scripted(*turns), box).run("What is there?")
    seen = next(step for step in trace.trajectory.steps if isinstance(step, Observation))
    assert not seen.error and 900 < len(seen.content) <= 1024
    assert re.fullmatch(r"a+\[… 9999\d\d\d characters left out …\]b+", seen.content)


def test_megabytes_that_are_no_message_are_passed_over(box: Toolbox) -> None:
    assert said(box, "hostile__garbage") == "done"


def test_a_line_without_end_ends_its_server_alone(
    box: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "MOST_BYTES", 1 << 20)
    assert fault(box, "hostile__one_long_line") == (
        "MCP server 'hostile' ended during the call (it wrote: a message of over 1 MB)"
    )
    assert said(box, "hostile__echo", text="again") == "again"


def test_tools_that_change_are_followed(box: Toolbox, notes: list[str]) -> None:
    assert said(box, "hostile__change") == "done"
    until(lambda: "echo_again" in {spec.name for spec in box.specs}, "the tools are the old ones")
    assert said(box, "echo_again", text="new") == "new"
    # The good server's tool keeps its name, although no other tool has it now.
    assert "good__echo" in {spec.name for spec in box.specs}
    assert fault(box, "hostile__echo", text="old").startswith("no tool 'hostile__echo'; there are")
    assert "hostile: its tools changed: +echo_again -hostile__echo" in notes


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("untrue_output", "Invalid structured content returned by tool untrue_output: 'many' is"),
        ("not_a_result", "content"),
        ("fails", "no such row"),
    ],
)
def test_a_result_that_is_none_is_an_observation(box: Toolbox, tool: str, reason: str) -> None:
    assert reason in fault(box, f"hostile__{tool}")
    assert said(box, "hostile__echo", text="still here") == "still here"


def test_progress_and_log_are_shown_and_bounded(box: Toolbox, notes: list[str]) -> None:
    said(box, "hostile__progress")
    shown = [note for note in notes if re.match(r"hostile: \d+ of 100 row row", note)]
    assert len(shown) == 20 and max(map(len, notes)) < 400
    assert r"hostile: warning: nearly\x1b[31m done" in notes


def test_a_destructive_tool_is_refused_without_a_terminal(box: Toolbox) -> None:
    assert fault(box, "hostile__erase", text="all") == (
        "hostile__erase was not called: it is marked destructive by its server, and without a "
        "terminal the user cannot be asked; --allow hostile__erase allows it"
    )


def test_what_does_not_start_is_named_and_the_others_run(notes: list[str]) -> None:
    servers = (server("mute", "silent"), server("keyless", "exits"), server("good", "noisy"))
    with (
        nothing_left(),
        McpServers(servers, deadlines=Deadlines(6, 60)).toolbox(note=notes.append) as box,
    ):
        assert said(box, "echo", text="here") == "here"
    assert (
        "MCP server 'mute': it did not list its tools within 6 s (it wrote: warming up); left out"
        in (notes)
    )
    assert "MCP server 'keyless': Connection closed (it wrote: no API key); left out" in notes


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("no-such-server --x", "MCP server 'no-such-server --x': no such command"),
        (f"{sys.executable} {HOSTILE} exits", "(it wrote: no API key)"),
        ("http://127.0.0.1:9/mcp", "MCP server 'http://127.0.0.1:9/mcp': "),
    ],
)
def test_a_server_alone_that_does_not_start_is_an_error(command: str, reason: str) -> None:
    with nothing_left(), pytest.raises(UserError) as caught, mcp_servers([command]).toolbox():
        pass
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_another_thread_may_end_the_servers() -> None:
    before, stack = signal.getsignal(signal.SIGTERM), ExitStack()
    try:
        with nothing_left():
            stack.enter_context(McpServers((server("good"),)).toolbox())
            with ThreadPoolExecutor(1) as pool:
                pool.submit(stack.close).result()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_names_of_tools_that_are_left_out_are_bounded() -> None:
    sift = Sift()
    sift.version = "2025-06-18"
    tools = [{"name": f"{at}{'x' * 999}"} for at in range(300)]
    message = JSONRPCResponse(jsonrpc="2.0", id=1, result={"tools": tools})
    sift.look(SimpleNamespace(message=message))
    assert message.result["tools"] == []
    assert len(sift.left_out) == 100 and max(map(len, sift.left_out)) == 100


def child_of(box: Toolbox) -> int:
    return int(next(spec.description for spec in box.specs if spec.name == "child"))


def test_children_end_with_their_server_at_its_end_and_after_its_death() -> None:
    with nothing_left(), McpServers((server("x", "loner"),)).toolbox() as box:
        first = child_of(box)
        fault(box, "die")
        said(box, "echo", text="again")
        until(lambda: not alive(first), "the child of a server that died is left")
        second = child_of(box)
        assert second != first and alive(second)
    until(lambda: not alive(second), "the child of a server is left")


SCRIPT = f"""
import sys
from umi_lite.protocol.trajectory import Call
from umi_lite.tools.mcp.servers import mcp_servers
with mcp_servers(["{sys.executable} -I {HOSTILE} loner"]).toolbox() as box:
    print(next(spec.description for spec in box.specs if spec.name == "child"), flush=True)
    print(box.call(Call(tool="hang")).content)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_call_and_the_children(number: int) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stdout is not None
    child = int(running.stdout.readline())
    time.sleep(0.5)  # most signals now come in the call; none may be lost elsewhere
    running.send_signal(number)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT), errors
    until(lambda: not alive(child), "the child of a server is left")
