"""Episodes of the server in the trace store: while they run, when they end, and on the page."""

from pathlib import Path

import httpx
from serving import CALLER, DONE, Talker, serving, until

from umi_lite.serve.store import TraceStore
from umi_lite.serve.viewer import viewer_routes
from umi_lite.tools.tools import Toolbox

USER = [{"role": "user", "content": "Do it."}]
TOKEN = "0123456789abcdef"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def say(speaker: str, prompt: str) -> str:
    if speaker == "planner":
        return DONE if "Result" in prompt else CALLER
    return 'double {"n": 3}' if speaker == "caller" else "six, " * 400


def test_an_episode_is_in_the_store_while_it_runs_and_when_it_has_ended(tmp_path: Path):
    store = TraceStore(tmp_path / "traces.db")
    engine = Talker(say, slots=1, seconds=0.01)
    with serving(engine, Toolbox([double]), store=store, routes=viewer_routes(store)) as running:
        url = f"{running.url}/v1/chat/completions"
        with httpx.stream("POST", url, json={"messages": USER, "stream": True}) as answer:
            lines = answer.iter_lines()
            next(lines)

            def listed() -> list[tuple[str, int]]:
                found = httpx.get(f"{running.url}/api/traces").json()
                return [(entry["state"], entry["calls"]) for entry in found]

            until(lambda: listed() == [("running", 1)])
        # Its client left.
        until(lambda: listed() == [("interrupted", 1)])
        engine.say = lambda speaker, prompt: DONE if speaker == "planner" else "6."
        made = running.post({"messages": USER}).json()
        running.post({"messages": USER, "store": False})
        until(lambda: len(listed()) == 2)
        trace = store.load(made["id"])
        assert trace.answer == "6." and trace.stop == "answer"
        assert "<title>" in httpx.get(running.url).text
    assert len(store.list()) == 2
    store.close()


def test_the_page_needs_the_token_too(tmp_path: Path):
    store = TraceStore(tmp_path / "traces.db")
    engine = Talker(say)
    with serving(engine, token=TOKEN, store=store, routes=viewer_routes(store)) as running:
        for path in ("/", "/api/traces", "/api/events"):
            assert httpx.get(running.url + path).status_code == 401
        assert httpx.get(running.url, auth=("any", TOKEN)).status_code == 200
    store.close()
