"""A server in a thread over an engine that talks by a function, a few letters at a time."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
from scripted import Scripted

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.engine.request import Generation, Request
from umi_lite.serve.app import make_app
from umi_lite.serve.driver import Driver
from umi_lite.serve.server import Access, Server, listen
from umi_lite.serve.turn import Served
from umi_lite.tools.tools import Toolbox

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"
Say = Callable[[str, str], str]


class Talker(Scripted):
    """An engine with slots: `say(speaker, prompt)` gives each turn's text.

    A turn grows by `letters` in each step, which takes `seconds`.
    """

    def __init__(self, say: Say, *, slots: int = 2, letters: int = 4, seconds: float = 0.0):
        super().__init__(slots=slots)
        self.say, self.letters, self.seconds = say, letters, seconds
        self.owners: set[Any] = set()
        self.fault: Exception | None = None
        self._open: dict[Request, list[str]] = {}

    def submit(self, request: Request) -> None:
        self.asked.append(request)
        self.owners.add(request.owner)
        self.most = max(self.most, len(self.owners))
        text = self.say(request.speaker or request.view, self.decode(request.ids))
        self._open[request] = [text, ""]

    def step(self) -> list[tuple[Request, Generation]]:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        time.sleep(self.seconds)
        finished = []
        for request, state in list(self._open.items()):
            text, said = state
            new = text[len(said) : len(said) + self.letters]
            if request.on_text is not None and new:
                request.on_text(new)
            state[1] = said + new
            if state[1] == text:
                del self._open[request]
                ids = tuple(self.encode(text, special=False))
                stop = "length" if text.endswith("…") else "grammar"
                finished.append(
                    (request, Generation(ids, text, stop=stop, prompt_tokens=len(request.ids)))
                )
        return finished

    def release(self, episode: Any) -> None:
        self.released.append(episode)
        self.owners.discard(episode)
        self._open = {r: s for r, s in self._open.items() if r.owner != episode}


def scripted(*turns: str) -> Say:
    """Return a `say` that gives these texts in order, for any role."""
    left = iter(turns)
    return lambda speaker, prompt: next(left)


@dataclass
class Running:
    """A server that runs."""

    url: str
    server: Server
    driver: Driver
    served: Served

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.url}/v1", **{"api_key": "none", "max_retries": 0} | options
        )

    def post(self, body: Any, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        headers = {"content-type": "application/json"} | options.pop("headers", {})
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, content=content, headers=headers, timeout=60, **options)

    def health(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/health").json()


@contextmanager
def serving(
    engine: Any,
    toolbox: Toolbox | None = None,
    *,
    bounds: Bounds | None = None,
    show_thoughts: bool = False,
    waiting: int = 16,
    tool_threads: int = 2,
    drain_seconds: float = 30.0,
    **options: Any,
) -> Iterator[Running]:
    served = Served(
        model="small",
        engine=engine,
        toolbox=toolbox or Toolbox(),
        bounds=bounds or Bounds(),
        sampling=Sampling(),
        show_thoughts=show_thoughts,
    )
    driver = Driver(engine, waiting=waiting, tool_threads=tool_threads)
    sock = listen(Access(port=0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    server = Server(make_app(served, driver, **options), driver, drain_seconds)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Running(url, server, driver, served)
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


def until(true: Callable[[], Any], seconds: float = 20.0) -> float:
    """Wait until something is true; return the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not become true"
        time.sleep(0.005)
    return time.monotonic() - began
