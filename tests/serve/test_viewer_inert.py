"""Traces that attack the viewer, in a real browser: every text stays a text."""

import json
from urllib.parse import quote

import pytest
from episodes import TOOLS, episode
from scripted import Scripted
from viewing import chromium, served, shown, tab

from umi_lite.agent.agent import Agent
from umi_lite.agent.trace import Trace
from umi_lite.protocol.trajectory import Tool, Trajectory
from umi_lite.serve.store import TraceStore

__all__ = ["chromium", "tab"]  # fixtures

RAW = {"\x1b", "\x9b", "\u202e", "\u2066", "\x00"}
MARKUP = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'><!--"
ENDS = "</script></title></style>--><script>window.pwned = 3</script>{{script}}"
LINK = "[x](javascript:window.pwned=4) javascript:window.pwned=5 https://example.com/a.png"
SCREEN = "\x1b[31mred\x1b[0m \x9b2J \u202eback \u2066in"
HOSTILE = f"{MARKUP}{ENDS}\n{LINK}\n{SCREEN}"


def hostile() -> list[Trace]:
    """Episodes in which every text attacks the page."""
    turns = (
        f"{HOSTILE} \nNext: caller",
        f"weather {json.dumps({'city': HOSTILE, HOSTILE: 1})}",
        f"{HOSTILE}\nNext: summarizer",
        HOSTILE,
    )
    name = f'"><img src=x onerror=window.pwned=6> {MARKUP}'
    good = episode(name, *turns, words=HOSTILE)
    tool = Tool(name="<img/src=x/onerror=window.pwned=8>", description=HOSTILE)
    made = good.trajectory.model_copy(
        update={"meta": {"branch_of": "javascript:window.pwned=7", "turn": MARKUP}}
    )
    good = good.model_copy(update={"trajectory": made, "model": HOSTILE, "bundle": HOSTILE})
    task = Trajectory(id="__proto__", source="run", tools=(tool,), instruction=HOSTILE)
    bad = Agent(Scripted(HOSTILE), TOOLS).run(task)
    return [good, bad.model_copy(update={"error": HOSTILE})]


@pytest.mark.parametrize("live", [False, True])
def test_a_hostile_trace_is_inert(tab, tmp_path, live):
    traces = hostile()
    with TraceStore(tmp_path / "t.db") as store:
        for trace in traces:
            store.save(trace)
        for trace in traces:
            hash_ = f"#a={quote(trace.trajectory.id, safe='')}&b=__proto__"
            if live:
                with served(store) as address:
                    tab.goto(address + hash_)
                    tab.wait_for_selector("body[data-ready]")
                    check_inert(tab)
                    assert all(url.startswith((address, "data:,")) for url in tab.asked)
                    tab.goto("about:blank")
                    tab.asked.clear()
            else:
                path = tmp_path / "t.html"
                shown(tab, traces, path, hash_)
                check_inert(tab)
                assert {url.partition("#")[0] for url in tab.asked} <= {path.as_uri(), "data:,"}


def check_inert(tab) -> None:
    for summary in tab.locator("summary").all():
        summary.click()
    for link in tab.locator("#list a").all():
        link.click()
    assert tab.evaluate("window.pwned") is None
    assert tab.locator("img, iframe, object, embed, form:not(#filter)").count() == 0
    assert tab.locator("body script:not([type])").count() == 1
    # Only the page's own style, script and data were parsed as such.
    drawn = tab.evaluate("document.body.innerText")
    assert not RAW & set(drawn)
    for seen in ("<script>window.pwned", r"\x1b[31mred", r"\x9b2J", r"\u202eback", r"\u2066in"):
        assert seen in drawn, seen
    names = tab.evaluate(
        "[...document.querySelectorAll('*')].flatMap(n => [...n.attributes].map(a => a.value))"
        ".filter(v => v.length < 5000).join('\\n')"
    )
    assert not RAW & set(names)
    links = tab.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert links and all(link.startswith("#") for link in links)
    assert not [line for line in tab.said if "Content Security" not in line], tab.said


def test_the_policy_stops_what_the_page_does_not_do(tab, tmp_path):
    """Even if text became code, it could neither run, nor ask, nor change markup."""
    shown(tab, [episode("run-1")], tmp_path / "t.html")
    tab.evaluate(
        "document.body.append(new Image()); document.images[0].src = 'http://127.0.0.1:9/'"
    )
    tab.evaluate("fetch('http://127.0.0.1:9/y').catch(() => 0)")
    failed = tab.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>' } catch (e) { return e.name } }"
    )
    tab.evaluate(
        "() => { const s = document.createElement('script'); s.append('window.pwned = 1');"
        " try { document.body.append(s) } catch (e) {} }"
    )
    for _ in range(100):
        stopped = sum("Content Security Policy" in line for line in tab.said)
        if tab.blocked and stopped >= 3:
            break
        tab.wait_for_timeout(100)
    assert failed == "TypeError" and tab.evaluate("window.pwned") is None
    assert tab.asked[1:] == ["http://127.0.0.1:9/"] and tab.blocked == [(tab.asked[1], "csp")]
    assert stopped >= 3
