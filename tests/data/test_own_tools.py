"""Your own tools: of a Python file, an OpenAPI document or an MCP server; one line of error."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from umi_lite.data.own_tools import of_file, of_mcp, of_openapi, read_own
from umi_lite.errors import UserError
from umi_lite.tools.mcp.servers import listed

OPENAPI = """
openapi: 3.0.0
paths:
  /pets:
    get:
      operationId: listPets
      summary: List all pets
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 100}}
        - {name: since, in: query, schema: {type: string, format: date, default: 2020-01-01}}
    post:
      operationId: create pet
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
  /pets/{petId}:
    parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
    delete: {description: Delete a pet}
  /odd:
    get: {operationId: odd, parameters: [{in: query}]}
    post: {operationId: listPets}
components:
  schemas:
    Pet:
      type: object
      required: [name]
      properties: {name: {type: string}, parent: {$ref: '#/components/schemas/Pet'}}
"""


def test_operations_are_tools_and_what_is_none_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "pets.yaml"
    path.write_text(OPENAPI)
    own = of_openapi(path)
    tools = {one.tool.name: one.tool for one in own.tools}
    assert list(tools) == ["listPets", "create_pet", "delete_pets_petId"]
    # The path's own parameters are the operation's, and YAML's dates are texts.
    assert tools["delete_pets_petId"].parameters["required"] == ["petId"]
    assert tools["listPets"].parameters["properties"]["since"]["default"] == "2020-01-01"
    assert "name" in tools["create_pet"].parameters["required"]
    assert [(drop.where, drop.reason) for drop in own.dropped] == [
        (f"{path}: GET /odd", "a parameter of 'odd' has no name"),
        (f"{path}: POST /odd", "another operation is named 'listPets'"),
    ]
    assert own.functions == {}


def test_ids_that_repeat_path_and_method_are_shortened(tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    path.write_text("""
paths:
  "/v1/job-runs/{job_id}":
    get: {operationId: read_run_v1_job_runs__job_id__get, summary: Read a run}
    delete: {operationId: read_run_v1_job_runs__job_id__delete, summary: Delete a run}
    put: {operationId: _v1_job_runs__job_id__put, summary: Replace a run}
""")
    assert [one.tool.name for one in of_openapi(path).tools] == [
        "read_run",
        "_v1_job_runs__job_id__put",
        "read_run_v1_job_runs__job_id__delete",
    ]


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    path.write_text(json.dumps({"paths": {"/a": {"get": {"summary": "Get a"}}}}))
    assert [one.tool.name for one in of_openapi(path).tools] == ["get_a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "it has no object 'paths'"),
        ("a: [", "not YAML: while parsing a flow node"),
        ("a: &a [*a]", "not YAML: Circular reference"),
        ("{", "an OpenAPI document is JSON or YAML"),
        ("paths: {/a: {get: {parameters: [3]}}}", "no tool in it: the OpenAPI document has a"),
    ],
)
def test_a_document_that_is_none_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        of_openapi(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text('def ping() -> str:\n    """Ping the server."""\n    return "pong"\n')
    nothing = {"tools": None, "openapi": None, "mcp": None}
    for given in ({}, {"tools": path, "mcp": "x"}):
        with pytest.raises(UserError, match="one of --tools"):
            read_own(**{**nothing, **given})
    with pytest.raises(UserError, match="only functions of a --tools file"):
        read_own(**{**nothing, "mcp": "x"}, run=["ping"])
    with pytest.raises(UserError, match=r"--run pong: .*tools.py has ping"):
        of_file(path, ["pong"])
    assert list(of_file(path, ["ping"]).functions) == ["ping"]
    assert of_file(path).functions == {}


SERVER = """
from mcp.server import MCPServer

server = MCPServer("clock")


@server.tool()
def get_time(timezone: str) -> str:
    '''Get the current time in a timezone.'''
    raise AssertionError("called")


server.run("stdio")
"""
HANGING = """
import subprocess, sys, time
print("warming up", file=sys.stderr, flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(300)
"""


def test_an_mcp_server_lists_its_tools(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    (tmp_path / "clock.py").write_text(SERVER)
    own = of_mcp(f"{sys.executable} {tmp_path / 'clock.py'}")
    assert [one.tool.name for one in own.tools] == ["get_time"]
    assert own.tools[0].tool.parameters["required"] == ["timezone"]
    assert own.name == "clock"


def test_a_server_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    (tmp_path / "hanging.py").write_text(HANGING)
    pid = tmp_path / "pid"
    command = f"{sys.executable} {tmp_path / 'hanging.py'} {pid}"
    with pytest.raises(UserError) as caught:
        listed(command, deadline=2)
    assert f"MCP server {command!r}: it did not list its tools within 2 s" in str(caught.value)
    assert "(it wrote: warming up)" in str(caught.value)
    until = time.monotonic() + 20
    while alive(int(pid.read_text())):
        assert time.monotonic() < until, "a child of the server still runs"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """True if a process runs; one that ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-server --x", "MCP server 'no-such-server --x': no such command"),
        (f"{sys.executable} -c 'raise SystemExit(\"no key\")'", "(it wrote: no key)"),
        ("'", "No closing quotation"),
        (" ", "it is empty"),
    ],
)
def test_a_server_that_fails_is_one_line(command: str, said: str) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    with pytest.raises(UserError) as caught:
        listed(command)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(UserError, match=r"pip install 'umi-lite\[mcp\]'"):
        listed("server")
