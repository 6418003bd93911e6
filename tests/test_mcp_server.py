"""`umi mcp` driven by the official client: `ask`, `run_python`, progress, cancellation, the end."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted

from umi_lite.api import Agent
from umi_lite.bundle.bundle import Bundle
from umi_lite.mcp_server import make_server
from umi_lite.serve.store import TraceStore
from umi_lite.tools.python import python_tool
from umi_lite.tools.tools import Toolbox, tool

anyio = pytest.importorskip("anyio")
mcp = pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")

CALLER, DONE = "Look.\nNext: caller", "Done.\nNext: summarizer"
RUN = [sys.executable, "-m", "umi_lite", "mcp"]


@tool
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


def driven(
    engine: Any, calls: Any, toolbox: Toolbox | None = None, store: TraceStore | None = None
) -> Any:
    """What `calls(client)` returns, with a server in this process."""
    box = toolbox or Toolbox([double])
    server = make_server(lambda: Agent(engine, box), box, python_tool(), store)

    async def main() -> Any:
        async with mcp.Client(server) as client:
            return await calls(client)

    return anyio.run(main)


def text(result: Any) -> str:
    (part,) = result.content
    return part.text


def test_ask_gives_the_answer_each_turn_as_progress_and_is_kept(tmp_path: Path) -> None:
    heard: list[str] = []

    async def progressed(_: float, __: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def calls(client: Any) -> Any:
        return await client.call_tool(
            "ask", {"instruction": "Twice 4?"}, progress_callback=progressed
        )

    store = TraceStore(tmp_path / "traces.db")
    turns = (CALLER, 'double {"number": 4}', DONE, "It is 8.")
    made = driven(Scripted(*turns), calls, store=store)
    assert not made.is_error and text(made) == "It is 8."
    assert heard == [
        "planner: Look. Next: caller",
        'caller: double {"number": 4}',
        "tool: 8",
        "planner: Done. Next: summarizer",
        "summarizer: It is 8.",
    ]
    (entry,) = store.list()
    assert (entry.state, entry.answer) == ("answer", "It is 8.")


def test_what_has_no_answer_is_an_error_with_the_reason() -> None:
    async def calls(client: Any) -> Any:
        return [await client.call_tool("ask", {"instruction": said}) for said in ("Do it.", " ")]

    gave_up, empty = driven(Scripted("No.\nNext: give_up"), calls)
    assert gave_up.is_error and "no answer: the planner gave up" in text(gave_up)
    assert empty.is_error and "the instruction is empty" in text(empty)


def test_the_tools_say_what_they_are() -> None:
    async def calls(client: Any) -> Any:
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    tools = driven(Scripted(), calls)
    assert list(tools) == ["ask", "run_python"]
    assert tools["ask"].description.endswith("Its tools: double.")
    assert tools["run_python"].annotations.read_only_hint


def test_a_cancelled_question_ends_its_episode_and_the_next_is_answered() -> None:
    reached, release = threading.Event(), threading.Event()

    def wait() -> str:
        """Wait."""
        reached.set()
        assert release.wait(20)
        return "waited"

    async def calls(client: Any) -> Any:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "ask", {"instruction": "Wait."})
            await anyio.to_thread.run_sync(reached.wait)
            tasks.cancel_scope.cancel()
        release.set()
        return await client.call_tool("ask", {"instruction": "And now?"})

    engine = Scripted(CALLER, "wait {}", DONE, "Here.")
    made = driven(engine, calls, Toolbox([tool(wait)]))
    # The first episode asked for no turn after its tool.
    assert text(made) == "Here." and len(engine.released) == 2


@pytest.fixture
def umi(bundle: Bundle, cache: Path, tmp_path: Path) -> Any:
    """`umi mcp` on the untrained bundle, in a process of its own, for the official client."""
    return mcp.StdioServerParameters(
        command=RUN[0],
        args=[*RUN[1:], "-b", str(bundle.path), "--max-answer-tokens", "8", "--max-calls", "0"],
        env={
            "UMI_LITE_CACHE": str(cache),
            "UMI_LITE_DATA": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        },
    )


def test_the_official_client_drives_the_command(umi: Any) -> None:
    async def main() -> None:
        async with mcp.Client(umi) as client:
            assert client.server_info.name == "umi-lite"
            assert len((await client.list_tools()).tools) == 2
            # A program's output stays apart from the protocol's.
            made = await client.call_tool("run_python", {"code": "print(6 * 7)"})
            assert text(made) == "42"
            made = await client.call_tool("run_python", {"code": "open('/etc/passwd')"})
            assert made.is_error and "/etc/passwd" in text(made)
            made = await client.call_tool("ask", {"instruction": "How warm is it in Rome?"})
            assert text(made)

    anyio.run(main)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(umi: Any, number: int) -> None:
    import os
    import subprocess

    running = subprocess.Popen(
        [umi.command, *umi.args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **umi.env},
    )
    assert running.stdin is not None and running.stdout is not None
    hello = (
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        b'"capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n'
    )
    running.stdin.write(hello)
    running.stdin.flush()
    assert b'"serverInfo"' in running.stdout.readline()
    started = time.monotonic()
    running.send_signal(number)
    assert running.wait(20) == 128 + number
    assert time.monotonic() - started < 15
    running.communicate()


BUSY = f"""
import contextlib, os, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from scripted import Scripted
from umi_lite.bundle.bundle import load_bundle
from umi_lite.mcp_server import serve

class Busy(Scripted):
    def generate(self, request):
        print("asked", file=sys.stderr, flush=True)
        time.sleep(600)

@contextlib.contextmanager
def engine():
    yield Busy()
    os.abort()

serve(load_bundle(sys.argv[1]), engine, lambda _: None)
"""


def test_a_signal_in_a_turn_closes_no_engine_that_is_in_use(bundle: Bundle) -> None:
    import json
    import subprocess

    running = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(bundle.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdin is not None and running.stderr is not None
        client = {"protocolVersion": "2025-06-18", "capabilities": {}}
        client["clientInfo"] = {"name": "x", "version": "1"}
        ask = {"name": "ask", "arguments": {"instruction": "Do it."}}
        for message in (
            {"id": 1, "method": "initialize", "params": client},
            {"method": "notifications/initialized"},
            {"id": 2, "method": "tools/call", "params": ask},
        ):
            running.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        running.stdin.flush()
        assert any(line == "asked\n" for line in running.stderr)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM
    finally:
        running.kill()
        running.communicate()


def test_a_bundle_that_is_none_is_one_line(tmp_path: Path) -> None:
    import subprocess

    done = subprocess.run(
        [*RUN, "-b", str(tmp_path)], capture_output=True, text=True, timeout=60, stdin=-3
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "is not a bundle" in done.stderr
