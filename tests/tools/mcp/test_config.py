"""MCP servers as users name them: commands, URLs, and the files that other programs have."""

import json
from pathlib import Path

import pytest

from umi_lite.errors import UserError
from umi_lite.tools.mcp.config import all_servers, servers_of


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("npx -y @modelcontextprotocol/server-memory", "memory"),
        ("npx -y @scope/server-memory@1.2 /data", "memory"),
        ("uvx mcp-server-git --repository .", "git"),
        ("python -m mcp_server_time", "time"),
        ("/usr/bin/python3.11 'my tools/clock.py' x", "clock"),
        ("weather-mcp", "weather"),
        ("https://mcp.example.com:8000/v1/mcp?x=1", "example_com"),
        ("http://127.0.0.1:8000/mcp", "127_0_0_1"),
    ],
)
def test_a_command_or_url_has_a_short_name_and_is_its_own_label(given: str, name: str) -> None:
    (server,) = servers_of(given)
    assert (server.name, server.label) == (name, given)
    assert bool(server.url) == given.startswith("http")


def test_two_of_one_name_differ() -> None:
    servers = all_servers(["npx server-memory /a", "npx server-memory /b", "memory_2"])
    assert [server.name for server in servers] == ["memory", "memory_2", "memory_2_2"]
    assert servers[1].command == ("npx", "server-memory", "/b")


def written(path: Path, **servers: object) -> str:
    file = path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": servers}))
    return str(file)


def test_the_usual_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.delenv("PORT", raising=False)
    (tmp_path / "work").mkdir()
    made = servers_of(
        written(
            tmp_path,
            **{"my files": {"command": "npx", "args": ["-y", "fs", "${PORT:-80}"], "cwd": "work"}},
            web={
                "type": "http",
                "url": "https://x.org/mcp",
                "headers": {"Authorization": "Bearer ${env:TOKEN}"},
                "autoApprove": ["a"],
            },
            off={"command": "x", "disabled": True},
        )
    )
    files, web = made
    assert (files.name, files.label) == ("my_files", "my files")
    assert files.command == ("npx", "-y", "fs", "80") and files.cwd == tmp_path / "work"
    assert web.url == "https://x.org/mcp" and web.headers == {"Authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(web)


def test_the_file_of_vs_code_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"inputs": [], "servers": {"a": {"type": "stdio", "command": "x"}}}')
    assert servers_of(str(file))[0].command == ("x",)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "server 'a': it needs either a command or a url"),
        ({"command": "x", "url": "http://y"}, "server 'a': it needs either a command or a url"),
        ({"command": ["x"]}, "server 'a': command: input should be a valid string"),
        ({"command": "x", "args": "y"}, "server 'a': args: input should be a valid list"),
        ({"url": "ftp://y"}, "url 'ftp://y' does not begin with http:// or https://"),
        ({"url": "http://y", "type": "sse"}, "the old transport sse; right is type http"),
        ({"command": "x", "type": "http"}, "type http needs a url"),
        ({"command": "x", "cwd": "no/folder"}, "cwd no/folder is not a folder"),
        ({"command": "x", "env": {"KEY": "${NOT_SET_ANYWHERE}"}}, "${NOT_SET_ANYWHERE} is not set"),
        ({"command": "x", "disabled": True}, "no server in it is switched on"),
        (7, "server 'a': entry: input should be a valid dictionary"),
    ],
)
def test_a_wrong_entry_is_one_line_with_file_and_server(
    tmp_path: Path, entry: object, reason: str
) -> None:
    path = written(tmp_path, a=entry)
    with pytest.raises(UserError) as caught:
        servers_of(path)
    assert reason in str(caught.value) and str(caught.value).startswith(f"--mcp {path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "not JSON: "), ("[]", 'no object "mcpServers"'), ('{"mcpServers": 3}', "no object")],
)
def test_another_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "mcp.json").write_text(text)
    with pytest.raises(UserError, match=reason):
        servers_of(str(tmp_path / "mcp.json"))
    with pytest.raises(UserError, match="No such file"):
        servers_of(str(tmp_path / "none.json"))
