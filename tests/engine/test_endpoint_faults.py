"""Servers that answer with what is not the API, or not at all: one line with the cause."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager

import pytest
from local_server import JsonHandler, LocalServer, running

from umi_lite.engine.client import Endpoint
from umi_lite.engine.endpoint import HybridEngine
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request, TurnFailed
from umi_lite.errors import UserError
from umi_lite.evals.judge import Judge, Question

PAGE = b"<!DOCTYPE html>\n<html><body>" + 400 * b"<p>Welcome</p>" + b"</body></html>"
MODELS = {"object": "list", "data": [{"id": "m", "object": "model"}]}


class Odd(JsonHandler):
    """GET and POST answer with (status, content type, bytes)."""

    server: "Server"

    def send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.send(*self.server.models)

    def do_POST(self) -> None:
        self.body()
        if self.server.silent.is_set():
            self.server.ended.wait(30)
            return
        self.send(*self.server.said)


class Server(LocalServer):
    models = (200, "application/json", json.dumps(MODELS).encode())
    said = (200, "text/event-stream", b"")

    def __init__(self):
        super().__init__(Odd)
        self.silent, self.ended = threading.Event(), threading.Event()


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as made:
        yield made
        made.ended.set()


@pytest.fixture
def opened(base_gguf) -> Callable:
    @contextmanager
    def opens(url: str, **options) -> Iterator[HybridEngine]:
        away = {"caller": Endpoint(url, "m")}
        with HybridEngine(Engine(base_gguf, {}, n_ctx=64), away, **options) as roles:
            yield roles

    return opens


def refused(opened, url: str, **options) -> str:
    with pytest.raises(UserError) as err, opened(url, **options) as roles:
        roles.generate(Request("caller", [5], max_tokens=4))
    message = str(err.value)
    assert "\n" not in message and len(message) < 800
    assert f"endpoint {url} (m): " in message
    return message


@pytest.mark.parametrize(
    "models",
    [
        (200, "text/html", PAGE), (200, "application/json", PAGE), (404, "text/html", PAGE),
        (200, "text/plain", b"ok"), (200, "application/json", b'{"data": null}'),
        (200, "application/json", b"[1, 2]"), (200, "application/json", b'{"data": [{"name": 1}]}'),
        (404, "application/json", b'{"detail": "Not Found"}'), (200, "application/json", b""),
    ],
)  # fmt: skip
def test_models_that_are_none(models, server, opened) -> None:
    server.models = models
    root = server.url.removesuffix("/v1")
    assert "is /v1 missing? right is http://HOST:PORT/v1#MODEL" in refused(opened, root)
    assert "/v1 missing" not in refused(opened, server.url)


def test_a_page_is_not_quoted(server, opened) -> None:
    server.models = (404, "text/html", PAGE)
    message = refused(opened, server.url)
    assert message.endswith("status 404, an HTML page and not the API")


def chunk(**choice) -> bytes:
    made = {"id": "1", "object": "text_completion", "created": 0, "model": "m"}
    return f"data: {json.dumps(made | {'choices': [{'index': 0, **choice}]})}\n\n".encode()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((200, "text/html", PAGE), "without a finish_reason"),
        ((200, "text/event-stream", b'data: {"id": "1", "choi\n\n'), "not of the API's form"),
        ((200, "text/event-stream", b"data: [1]\n\n"), "not of the API's form"),
        ((200, "text/event-stream", chunk(text=None, finish_reason=None)), "without text"),
        ((200, "text/event-stream", chunk(text="a", finish_reason=None)), "a finish_reason"),
        ((200, "application/json", b'{"choices": [{"text": "a"}]}'), "without a finish_reason"),
        ((405, "text/html", PAGE), "status 405, an HTML page"),
        ((400, "application/json", b'{"error": {"message": "no tokens"}}'), "no tokens"),
    ],
)  # fmt: skip
def test_a_turn_that_is_none(said, words, server, opened) -> None:
    server.said = said
    assert words in refused(opened, server.url)


def test_a_last_stretch_without_text_ends_a_turn(server, opened) -> None:
    last = chunk(text=None, finish_reason="stop")
    data = chunk(text="Ja.", finish_reason=None) + last + b"data: [DONE]\n\n"
    server.said = (200, "text/event-stream", data)
    with opened(server.url) as roles:
        said = roles.generate(Request("caller", [5], max_tokens=4))
    assert (said.text, said.stop) == ("Ja.", "eot")


def test_a_server_that_never_answers(server, opened) -> None:
    server.silent.set()
    message = refused(opened, server.url, timeout=0.2)
    assert message.endswith("no answer within 0.2 s (--timeout)")
    assert len(server.asked) == 1


def test_a_port_that_never_answers(opened) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        assert "no answer within 0.2 s" in refused(opened, url, timeout=0.2)


def test_a_closed_port_says_why(opened) -> None:
    assert "Connection refused" in refused(opened, "http://127.0.0.1:9/v1")


@pytest.mark.parametrize("body", [PAGE, b'{"choices": [{"message": null}]}', b"[1]"])
def test_a_judge_that_is_none(body, server, tmp_path) -> None:
    server.said = (200, "application/json", body)
    judge = Judge(Endpoint(server.url, "m"), retries=0)
    with pytest.raises(UserError, match=r"endpoint .*/v1 \(m\): ") as err:
        judge.ask([Question("1", "solved", "Solved?")], tmp_path / "votes.jsonl")
    assert "\n" not in str(err.value)


def test_a_turn_that_fails_loses_no_other(server, opened) -> None:
    good = (200, "text/event-stream", chunk(text="Ja.", finish_reason="stop"))
    with opened(server.url) as roles:
        first, second = (Request("caller", [5], max_tokens=4) for _ in range(2))
        roles.submit(first)
        until_idle(roles)
        server.said = good
        roles.submit(second)
        until_idle(roles)
        assert [(request, said.text) for request, said in roles.step()] == [(second, "Ja.")]
        with pytest.raises(TurnFailed, match="without a finish_reason") as err:
            roles.step()
        assert err.value.request is first
        assert roles.step() == []


def until_idle(roles: HybridEngine) -> None:
    """Wait until the endpoint has answered all requests, without taking what it said."""
    wait(roles._asked.values(), timeout=30)
