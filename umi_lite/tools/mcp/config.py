"""MCP servers as a user names them: a command, a URL, or a file in the form `mcpServers`."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.errors import UserError, first_error

# Claude's and Cursor's key, and VS Code's.
_KEYS = ("mcpServers", "servers")
_HTTP = ("http", "streamable-http", "streamable_http", "streamableHttp")
# `${NAME}`, `${env:NAME}` and `${NAME:-default}`.
_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")
# Programs that run a server: the server's name is a word after them.
_RUNNERS = re.compile(r"^(npx|npm|pnpm|bunx?|deno|node|uvx?|pipx|docker|sh|bash|env|python[\d.]*)$")


@dataclass(frozen=True)
class Server:
    """One MCP server.

    Attributes:
        name: a short one, unique among those that run together.
        label: how messages name it: its name in a file, else the whole command or URL.
        command: the program and its arguments, for a server that speaks over stdin and stdout.
        env: variables added to the few that are passed on (HOME, PATH and the like).
        cwd: the folder that it starts in, default the current one.
        url: the address of a server that speaks streamable HTTP, in place of a command.
        headers: of each HTTP request, e.g. `Authorization`.
    """

    name: str
    label: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cwd: Path | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class _Entry(BaseModel):
    """A server of a file. Keys of other programs, such as `autoApprove`, are ignored."""

    model_config = ConfigDict(extra="ignore")

    command: str | None = None
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    type: str | None = None
    disabled: bool = False


def servers_of(given: str) -> tuple[Server, ...]:
    """Return the servers that a text names.

    Args:
        given: `http://…` or `https://…`; the path of a `.json` file in the form
            `{"mcpServers": {NAME: {"command": …, "args": […]} or {"url": …}}}`; or else a command
            as a shell has it, e.g. `npx -y @modelcontextprotocol/server-memory`.

    Raises:
        UserError: a command that cannot be split, a file that cannot be read or is not in that
            form, or a variable in it that is not set; one line.
    """
    if given.startswith(("http://", "https://")):
        name = re.sub(r"^https?://(www\.|api\.|mcp\.)*|[:/?].*$", "", given)
        return (Server(_plain(name), given, url=given),)
    if given.endswith(".json") and len(given.split()) == 1:
        return _of_file(Path(given).expanduser())
    try:
        command = tuple(shlex.split(given))
        if not command:
            raise ValueError("it is empty")
    except ValueError as err:
        raise UserError(f"MCP server {given!r}: {err}; right is 'PROGRAM ARGUMENTS'") from None
    return (Server(_name_of(command), given, command),)


def all_servers(given: tuple[str, ...] | list[str]) -> tuple[Server, ...]:
    """Return the servers of several texts, with names that differ.

    Raises:
        UserError: see `servers_of`.
    """
    made: list[Server] = []
    taken: set[str] = set()
    for server in (server for text in given for server in servers_of(text)):
        name = next_free(server.name, taken)
        taken.add(name)
        made.append(replace(server, name=name))
    return tuple(made)


def next_free(name: str, taken: set[str]) -> str:
    """Return the name, or the first of `name_2`, `name_3`, … that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _of_file(path: Path) -> tuple[Server, ...]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise UserError(f"--mcp {path}: {err.strerror or err}") from None
    except ValueError as err:
        raise UserError(f"--mcp {path}: not JSON: {err}") from None
    entries = _entries(found)
    if entries is None:
        raise UserError(f'--mcp {path}: it has no object "mcpServers"')
    servers = [
        _server(name, entry, path)
        for name, entry in entries.items()
        if not (isinstance(entry, dict) and cast("dict[str, Any]", entry).get("disabled") is True)
    ]
    if not servers:
        raise UserError(f"--mcp {path}: no server in it is switched on")
    return tuple(servers)


def _entries(found: Any) -> dict[str, Any] | None:
    if not isinstance(found, dict):
        return None
    groups = cast("dict[str, Any]", found)
    return next((groups[key] for key in _KEYS if isinstance(groups.get(key), dict)), None)


def _server(name: str, entry: Any, path: Path) -> Server:
    where = f"--mcp {path}: server {name!r}"
    try:
        made = _Entry.model_validate(_expanded(entry, where))
    except ValidationError as err:
        raise UserError(f"{where}: {first_error(err, 'entry')}") from None
    if made.type == "sse":
        raise UserError(f"{where}: the old transport sse; right is type http (streamable HTTP)")
    if (made.command is None) == (made.url is None):
        raise UserError(f"{where}: it needs either a command or a url")
    if made.url is not None:
        if not made.url.startswith(("http://", "https://")):
            raise UserError(f"{where}: url {made.url!r} does not begin with http:// or https://")
        return Server(_plain(name), name, url=made.url, headers=made.headers)
    if made.type in _HTTP:
        raise UserError(f"{where}: type {made.type} needs a url")
    cwd = None if made.cwd is None else path.parent / Path(made.cwd).expanduser()
    if cwd is not None and not cwd.is_dir():
        raise UserError(f"{where}: cwd {made.cwd} is not a folder")
    program = os.path.expanduser(made.command or "")
    return Server(_plain(name), name, (program, *made.args), made.env, cwd)


def _expanded(value: Any, where: str) -> Any:
    """Return the value with `${NAME}` in its texts replaced from the environment."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return {key: _expanded(part, where) for key, part in parts.items()}
    if isinstance(value, list):
        return [_expanded(part, where) for part in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name, default = match[1], cast("str | None", match[2])
        found: str | None = os.environ.get(name, default)
        if found is None:
            raise UserError(f"{where}: ${{{name}}} is not set in the environment")
        return found

    return _VARIABLE.sub(variable, value)


def _name_of(command: tuple[str, ...]) -> str:
    """Return a short name from a command: `memory` of `npx -y @scope/server-memory@1.2`."""
    words = [word for word in command if not word.startswith("-")]
    while len(words) > 1 and _RUNNERS.match(Path(words[0]).name):
        del words[0]
    name = re.sub(r"(?<=.)@.*$", "", words[0] if words else command[0])
    stem = Path(name).name.removesuffix(".py").removesuffix(".js")
    return _plain(re.sub(r"^(mcp[-_])?server[-_]|[-_](mcp|server)$|^mcp[-_]", "", stem))


def _plain(name: str) -> str:
    """Return a name that a call can have before a tool's name."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "server"
