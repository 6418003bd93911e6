"""What the viewer's routes answer, and that a server of them stops."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from episodes import CALLER, GIVE_UP, episode

from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError
from umi_lite.serve.store import TraceStore
from umi_lite.serve.viewer import view, viewer_routes

pytest.importorskip("starlette")


@pytest.fixture
def store(tmp_path):
    with TraceStore(tmp_path / "t.db") as made:
        yield made


@pytest.fixture
def client(store):
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    return TestClient(Starlette(routes=viewer_routes(store)))


def test_the_page_names_all_that_it_may_do(client):
    answer = client.get("/")
    rules = answer.headers["content-security-policy"]
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in rules and "frame-ancestors 'none'" in rules
    assert "unsafe" not in rules and "http" not in rules and "*" not in rules
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(src|href)=.?(https?:)?//", answer.text)
    assert "access-control-allow-origin" not in answer.headers


def test_traces_as_json(client, store):
    assert client.get("/api/traces").json() == []
    made = episode("run/1 ä", CALLER, 'weather {"city": "Rome"}', GIVE_UP)
    for trace in (made, episode("run-2")):
        store.save(trace)
    assert [entry["id"] for entry in client.get("/api/traces").json()] == ["run-2", "run/1 ä"]
    for asked in ("failed=1", "tool=weather", "words=rome+look", "since=1&failed=1"):
        assert [e["id"] for e in client.get(f"/api/traces?{asked}").json()] == ["run/1 ä"], asked
    answer = client.get("/api/traces/run%2F1%20%C3%A4")
    assert Trace.model_validate_json(answer.text) == made
    assert answer.headers["content-type"] == "application/json"


def test_what_is_wrong_is_an_error(client, store):
    assert client.get("/api/traces?since=soon").status_code == 400
    assert client.get("/api/traces/none").json() == {
        "error": f"no trace 'none' in {store.path}; `umi trace ls` lists them"
    }
    assert client.post("/api/traces").status_code == 405
    store.path.write_text("no database, only words " * 99)
    assert client.get("/api/traces").status_code == 500


def test_umi_trace_view(tmp_path):
    """It answers this machine's names alone, and Ctrl-C ends it with a stream open."""
    environment = os.environ | {"UMI_LITE_DATA": str(tmp_path)}
    command = [str(Path(sys.executable).parent / "umi"), "trace", "view", "--port", "0"]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        events = urllib.request.urlopen(f"{address}api/events", timeout=20)
        assert events.readline() == b"retry: 1000\n"
        other = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(other, timeout=20)
        with TraceStore(tmp_path / "traces.db") as store:
            store.save(episode("run-1"))
        lines = [events.readline() for _ in range(3)]
        assert lines[1] == b"event: traces\n" and b'"id": "run-1"' in lines[2]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()


def test_a_port_that_is_taken_is_one_line(store):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(UserError, match=r"port .* cannot be used: Address already in use"):
            view(store, sock.getsockname()[1], print)


def test_without_starlette_the_extra_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette.routing", None)
    with pytest.raises(UserError, match=r"pip install 'umi-lite\[serve\]'"):
        viewer_routes(store)
