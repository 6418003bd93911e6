"""The viewer in a browser: from disk, or from a server of its routes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import launched

from umi_lite.agent.trace import Trace
from umi_lite.serve.page import page
from umi_lite.serve.store import TraceStore
from umi_lite.serve.viewer import viewer_routes

__all__ = ["chromium", "served", "shown", "tab", "wait"]


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with launched() as browser:
        yield browser


@pytest.fixture
def tab(chromium):
    """A page that keeps what it asked for, what it reported, and dialogs."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    made = context.new_page()
    made.asked, made.blocked, made.said = [], [], []
    made.on("request", lambda request: made.asked.append(request.url))
    made.on("requestfailed", lambda request: made.blocked.append((request.url, request.failure)))
    made.on("console", lambda message: made.said.append(message.text))
    made.on("pageerror", lambda error: made.said.append(str(error)))
    made.on("dialog", lambda dialog: (made.said.append("dialog"), dialog.dismiss()))
    yield made
    context.close()


def shown(tab, traces: list[Trace], path: Path, hash_: str = ""):
    path.write_text(page(traces), encoding="utf-8")
    tab.goto(path.as_uri() + hash_)
    tab.wait_for_selector("body[data-ready]")
    return tab


def wait(tab, selector: str, *, count: int | None = None, text=None) -> None:
    """Wait until that many elements are there, or one has the text.

    The page's policy forbids playwright's `wait_for_function`, which evaluates a text.
    """
    from playwright.sync_api import expect

    if count is not None:
        expect(tab.locator(selector)).to_have_count(count, timeout=10_000)
    if text is not None:
        expect(tab.locator(selector)).to_have_text(text, timeout=10_000)


@contextmanager
def served(store: TraceStore) -> Iterator[str]:
    """The viewer's routes on a real server."""
    uvicorn = pytest.importorskip("uvicorn")
    from starlette.applications import Starlette

    routes = viewer_routes(store, lambda: server.should_exit)
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "a stream of events held the server"
