"""Servers that people use, from one mcp.json; and one over streamable HTTP.

`make test` installs them; those of npm are in `.venv/npm`.
"""

import json
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import nothing_left, until
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.engine.language import callable_tools
from umi_lite.protocol.trajectory import Call, Observation
from umi_lite.tools.mcp.connection import Deadlines
from umi_lite.tools.mcp.consent import Consent
from umi_lite.tools.mcp.servers import mcp_servers
from umi_lite.tools.tools import Toolbox

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
NPM = Path(sys.prefix) / "npm" / "node_modules" / ".bin"


@pytest.fixture
def mcp_json(tmp_path: Path) -> Path:
    """Five servers: three of npm, two of PyPI; a folder and a repository for them."""
    missing = [
        name
        for name in ("mcp-server-everything", "mcp-server-filesystem", "mcp-server-memory")
        if shutil.which("node") is None or not (NPM / name).exists()
    ]
    missing += [name for name in ("mcp_server_time", "mcp_server_git") if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (make test installs them)")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("first line\n")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "-C", str(root)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "the first commit"]):
        subprocess.run([*git, *command], check=True)
    servers = {
        "everything": {"command": "node", "args": [str(NPM / "mcp-server-everything")]},
        "files": {"command": "node", "args": [str(NPM / "mcp-server-filesystem"), str(root)]},
        "memory": {
            "command": "node",
            "args": [str(NPM / "mcp-server-memory")],
            "env": {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")},
        },
        "time": {"command": sys.executable, "args": ["-m", "mcp_server_time"], "cwd": "root"},
        "git": {"command": sys.executable, "args": ["-m", "mcp_server_git"]},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


def test_five_servers_of_one_file_work_end_to_end(mcp_json: Path) -> None:
    root = mcp_json.parent / "root"
    notes: list[str] = []

    def called(tool: str, **arguments: object) -> str:
        made = box.call(Call(tool=tool, arguments=arguments))
        return f"! {made.content}" if made.error else made.content

    servers = mcp_servers(
        [str(mcp_json)], consent=Consent(allowed=frozenset({"edit_file"})), deadlines=Deadlines(60)
    )
    with nothing_left(), servers.toolbox(note=notes.append) as box:
        assert len(box) == 50
        assert called("get-sum", a=2, b=3) == "The sum of 2 and 3 is 5."
        assert "[image image/png, 4033 bytes]" in called("get-tiny-image")
        called("trigger-long-running-operation", duration=0.1, steps=2)
        assert "everything: 1 of 2" in notes
        assert called("read_text_file", path=str(root / "a.txt")) == "first line\n"
        assert "outside allowed" in called("read_text_file", path="/etc/hostname")
        path = str(root / "b.txt")
        assert called("write_file", path=path, content="x").startswith(
            "! write_file was not called"
        )
        edit = {"oldText": "first", "newText": "second"}
        assert "+second line" in called("edit_file", path=str(root / "a.txt"), edits=[edit])
        assert (root / "a.txt").read_text() == "second line\n"
        city = {"name": "Rome", "entityType": "city", "observations": ["old"]}
        called("create_entities", entities=[city])
        assert '"Rome"' in called("search_nodes", query="city")
        assert "Rome" in (mcp_json.parent / "memory.jsonl").read_text()
        assert '"timezone": "Europe/Rome"' in called("get_current_time", timezone="Europe/Rome")
        assert "the first commit" in called("git_log", repo_path=str(root))
        assert "second line" in called("git_diff_unstaged", repo_path=str(root))
    assert not (root / "b.txt").exists()


def test_an_episode_calls_tools_of_all_five(mcp_json: Path) -> None:
    """Each call as a role would write it: the grammar holds all fifty schemas."""
    root = mcp_json.parent / "root"
    calls = [
        'get-sum {"a": 2, "b": 3}',
        f'list_directory {{"path": "{root}"}}',
        'create_entities {"entities": [{"name": "A", "entityType": "B", "observations": []}]}',
        'convert_time {"source_timezone": "UTC", "time": "10:00", "target_timezone": "Asia/Tokyo"}',
        f'git_status {{"repo_path": "{root}"}}',
    ]
    turns = [turn for call in calls for turn in ("Look.\nNext: caller", call)]
    engine = Scripted(*turns, "Done.\nNext: summarizer", "All five.")
    with mcp_servers([str(mcp_json)], deadlines=Deadlines(60)).toolbox() as box:
        kept, refused = callable_tools(box.specs)
        assert len(kept) == 50 and not refused
        trace = Agent(engine, box).run("Ask all five servers.")
    seen = [step for step in trace.trajectory.steps if isinstance(step, Observation)]
    assert trace.answer == "All five." and not any(step.error for step in seen)
    for step, part in zip(seen, ("is 5", "[FILE] a.txt", '"A"', "19:00", "clean"), strict=True):
        assert part in step.content


HTTP_SERVER = """
import sys
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("clock")


@server.tool()
def size(text: str) -> int:
    '''Count the characters of a text.'''
    return len(text)


@server.tool()
async def more(ctx: Context) -> str:
    '''Offer one more tool.'''
    server.add_tool(lambda: "new", name="newest", description="The newest tool.")
    await ctx.notify_tools_changed()
    await ctx.report_progress(1, 2, "half")
    return "x" * 2_000_000


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run("stdio")
"""


@pytest.fixture
def own_server(tmp_path: Path) -> list[str]:
    (tmp_path / "server.py").write_text(HTTP_SERVER)
    return [sys.executable, str(tmp_path / "server.py")]


def test_the_newest_protocol_over_stdio(own_server: list[str]) -> None:
    check(" ".join(own_server), [])


def test_the_newest_protocol_over_http(own_server: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    def started() -> subprocess.Popen[bytes]:
        running = subprocess.Popen([*own_server, str(port)], stderr=subprocess.DEVNULL)

        def listens() -> bool:
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", port)) == 0

        until(listens, "no server")
        return running

    def size() -> Observation:
        return box.call(Call(tool="size", arguments={"text": "abc"}))

    running = started()
    try:
        check(f"http://127.0.0.1:{port}/mcp", [])
        with nothing_left(), mcp_servers([f"http://127.0.0.1:{port}/mcp"]).toolbox() as box:
            assert size().content == "3"
            running.kill()
            running.wait()
            # An observation each; and once the server is there again, a new connection.
            assert "ended during the call" in size().content
            assert "All connection attempts failed" in size().content
            running = started()
            assert size().content == "3"
            running.kill()
            running.wait()
    finally:
        running.kill()
        running.wait()


def check(given: str, notes: list[str]) -> None:
    def called(box: Toolbox, tool: str, **arguments: str) -> str:
        made = box.call(Call(tool=tool, arguments=arguments))
        assert not made.error, made.content
        return made.content

    with mcp_servers([given]).toolbox(note=notes.append) as box:
        assert called(box, "size", text="x" * 100_000) == "100000"
        assert len(called(box, "more")) == 2_000_000
        until(lambda: "newest" in {spec.name for spec in box.specs}, "the change was not followed")
        assert called(box, "newest") == "new"
    assert any(note.endswith(": 1 of 2 half") for note in notes)
