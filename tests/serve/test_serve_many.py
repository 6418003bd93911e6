"""Many clients: the queue, clients that leave, slow tools, faults, and the end of the server."""

import asyncio
import contextlib
import json
import select
import socket
import threading
from collections import Counter
from typing import Any

import httpx
import openai
import psutil
import pytest
from serving import CALLER, DONE, Talker, serving, until

from umi_lite.engine.request import TurnFailed
from umi_lite.tools.tools import Toolbox

USER = [{"role": "user", "content": "Do it."}]
STREAM = {"messages": USER, "stream": True}
LONG = "It is " + "six, " * 2000


def say(speaker: str, prompt: str) -> str:
    return DONE if speaker == "planner" else "It is 6."


def endless(speaker: str, prompt: str) -> str:
    return DONE if speaker == "planner" else LONG


def test_fifty_clients_on_a_queue_of_sixteen_are_served_or_refused():
    gate, refused = threading.Event(), Counter[str]()

    def held(speaker: str, prompt: str) -> str:
        # No episode ends before all fifty have asked.
        assert gate.wait(60)
        return say(speaker, prompt)

    engine = Talker(held, slots=4)

    async def ask(client: openai.AsyncOpenAI, at: int) -> str:
        try:
            if at % 2:
                stream = await client.chat.completions.create(
                    model="small", messages=USER, stream=True
                )
                parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
                return "".join(parts)
            made = await client.chat.completions.create(model="small", messages=USER)
            return made.choices[0].message.content or ""
        except openai.RateLimitError as err:
            refused["429"] += 1
            if refused["429"] == 30:
                gate.set()
            return f"429 {int(err.response.headers['retry-after']) > 0}"

    async def all_of_them(url: str) -> list[str]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, at) for at in range(50)))

    with serving(engine, waiting=16) as running:
        counted = Counter(asyncio.run(all_of_them(f"{running.url}/v1")))
        assert running.health() == {"status": "ok", "slots": 4, "running": 0, "waiting": 0}
        measured = httpx.get(f"{running.url}/metrics").text
    assert counted == {"It is 6.": 20, "429 True": 30}
    assert engine.most == 4 and not engine.owners
    assert f'umi_requests_total{{status="200"}} {counted["It is 6."]}.0' in measured
    assert f'umi_requests_total{{status="429"}} {counted["429 True"]}.0' in measured


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(stream):
    engine = Talker(endless, slots=1, seconds=0.01)
    with serving(engine) as running:
        body = {"messages": USER, "stream": stream}
        url = f"{running.url}/v1/chat/completions"
        if stream:
            with httpx.stream("POST", url, json=body) as answer:
                assert next(answer.iter_lines()).startswith("data: ")
        else:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(url, json=body, timeout=0.3)
        until(lambda: not engine.owners)
        # The next one is served.
        engine.say = say
        answer = running.post({"messages": USER}).json()
        assert answer["choices"][0]["message"]["content"] == "It is 6."


def test_a_client_that_leaves_the_queue_is_never_run():
    engine = Talker(endless, slots=1, seconds=0.01)
    body = json.dumps({"messages": USER}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    with serving(engine) as running:
        url = httpx.URL(running.url)
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=STREAM) as first:
            lines = first.iter_lines()  # while it exists, the client is there
            next(lines)
            with socket.create_connection((url.host, url.port or 0)) as other:
                other.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body)
                until(lambda: running.driver.waiting == 1)
            until(lambda: running.driver.waiting == 0)
        until(lambda: not engine.owners)
    assert [request.speaker for request in engine.asked] == ["planner", "summarizer"]


def test_a_client_that_leaves_in_the_middle_of_its_request_is_counted_as_such():
    with serving(Talker(say)) as running:
        url = httpx.URL(running.url)
        with socket.create_connection((url.host, url.port or 0)) as other:
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
            other.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
        until(lambda: '{status="499"} 1.0' in httpx.get(f"{running.url}/metrics").text)


def test_the_memory_of_bodies_that_are_being_read_is_bounded():
    whole = json.dumps({"messages": [{"role": "user", "content": "Do it. " * 2500}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(whole)}"
    with serving(Talker(say), max_body=20_000) as running, contextlib.ExitStack() as stack:
        url = httpx.URL(running.url)
        clients = [socket.create_connection((url.host, url.port or 0)) for _ in range(24)]
        for client in clients:
            stack.callback(client.close)
            client.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n".encode())
            client.sendall(whole[:-1])

        def answered() -> list[socket.socket]:
            return select.select(clients, [], [], 0)[0]

        until(lambda: len(answered()) >= 6)
        refused = answered()
        assert {client.recv(4096)[:13] for client in refused} == {b"HTTP/1.1 429 "}
        rest = [client for client in clients if client not in refused]
        assert len(rest) > 12
        for client in rest[1:]:
            client.sendall(whole[-1:])
            assert client.recv(4096)[:13] == b"HTTP/1.1 200 "
        rest[0].close()
        # Nothing of them is counted for ever.
        for _ in range(20):
            assert running.post(whole).status_code == 200


def test_a_slow_tool_holds_up_its_own_episode_only():
    gate, entered = threading.Event(), threading.Event()

    def slow() -> str:
        """Wait."""
        entered.set()
        gate.wait(30)
        return "done"

    def speak(speaker: str, prompt: str) -> str:
        if speaker == "planner":
            return CALLER if "Wait." in prompt.split("user")[-1] else DONE
        return "slow {}" if speaker == "caller" else "It is 6."

    with serving(Talker(speak, slots=2), Toolbox([slow])) as running:
        waits = {"messages": [{"role": "user", "content": "Wait."}]}
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(running.post(waits).json()))
        thread.start()
        assert entered.wait(10)
        assert running.post({"messages": USER}).status_code == 200
        # A client that leaves while its tool runs gives its slot up, too.
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.url}/v1/chat/completions", json=waits, timeout=0.3)
        until(lambda: running.health()["running"] == 1)
        gate.set()
        thread.join(10)
    assert answers[0]["choices"][0]["message"]["content"] == "It is 6."


def test_the_end_of_the_server_lets_eight_streams_end():
    gate = threading.Event()

    def held(speaker: str, prompt: str) -> str:
        assert gate.wait(60)
        return DONE if speaker == "planner" else "six, " * 60

    engine = Talker(held, slots=4)
    ended: list[tuple[str | None, str]] = []

    def read(client: openai.OpenAI) -> None:
        stream = client.chat.completions.create(model="small", messages=USER, stream=True)
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        ended.append((chunks[-1].choices[0].finish_reason, text))

    with serving(engine) as running:
        threads = [threading.Thread(target=read, args=(running.client(),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: running.driver.running + running.driver.waiting == 8)
        running.server.stop()
        gate.set()
        for thread in threads:
            thread.join(20)
    assert ended == [("stop", "six, " * 59 + "six,")] * 8


def test_what_is_unfinished_when_time_is_up_ends_with_an_error():
    engine = Talker(endless, slots=1, seconds=0.01)
    with serving(engine, drain_seconds=0.3) as running:
        stream = running.client().chat.completions.create(model="small", messages=USER, stream=True)
        next(stream)
        running.server.stop()
        with pytest.raises(openai.APIError, match="the server was stopped"):
            list(stream)


def test_a_server_that_stops_takes_no_request():
    engine = Talker(endless, slots=1, seconds=0.01)
    with serving(engine, drain_seconds=0.5) as running, httpx.Client() as kept:
        url = f"{running.url}/v1/chat/completions"
        assert kept.get(f"{running.url}/health").status_code == 200
        with httpx.stream("POST", url, json=STREAM) as first:
            lines = first.iter_lines()  # while it exists, the client is there
            next(lines)
            running.driver.drain(0.5)
            assert kept.get(f"{running.url}/health").status_code == 503
            assert kept.post(url, json={"messages": USER}).status_code == 503


def test_a_failing_engine_ends_what_runs_and_serves_on():
    engine = Talker(say, slots=2)
    with serving(engine) as running:
        engine.fault = RuntimeError("out of order")
        answer = running.post({"messages": USER})
        assert answer.status_code == 500 and "out of order" in answer.json()["error"]["message"]
        assert running.post({"messages": USER}).status_code == 200
        assert not engine.owners


def test_a_turn_that_fails_at_an_endpoint_ends_its_own_episode_only():
    engine = Talker(endless, slots=2, seconds=0.01)
    with serving(engine) as running:
        url = f"{running.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=STREAM) as first:
            lines = first.iter_lines()
            next(lines)
            answers: list[httpx.Response] = []
            thread = threading.Thread(target=lambda: answers.append(running.post(STREAM)))
            thread.start()
            until(lambda: len(engine.owners) == 2)
            engine.fault = TurnFailed(engine.asked[-1], "endpoint x: status 500")
            thread.join(20)
            assert "endpoint x: status 500" in answers[0].text
            assert running.health()["running"] == 1
            assert any(line.startswith("data: ") for line in lines)


def test_tools_that_end_the_program_do_not_end_the_server():
    def leave() -> str:
        """End the program."""
        raise SystemExit(3)

    def speak(speaker: str, prompt: str) -> str:
        return CALLER if speaker == "planner" else "leave {}"

    with serving(Talker(speak), Toolbox([leave])) as running:
        answer = running.post({"messages": USER}).json()
        assert "SystemExit: 3" in answer["choices"][0]["message"]["content"]
        assert running.health()["status"] == "ok"


def test_requests_leave_no_descriptor_and_no_thread():
    with serving(Talker(say, slots=4, letters=100)) as running, httpx.Client() as client:
        me, url = psutil.Process(), f"{running.url}/v1/chat/completions"

        def held() -> tuple[int, int]:
            # asyncio's pool for parsing bodies grows to its bound, one by one.
            threads = [one for one in threading.enumerate() if not one.name.startswith("asyncio")]
            return me.num_fds(), len(threads)

        before = 0, 0
        for at in range(300):
            body = STREAM if at % 3 == 0 else {"messages": USER}
            assert client.post(url, json=body).status_code == 200
            if at == 50:
                before = held()
        # What earlier tests left may end meanwhile.
        until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
