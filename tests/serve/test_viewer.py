"""The viewer in a real browser: complete, quick to filter, live, and usable by keyboard."""

import json
import queue
import re
import threading
import time
from pathlib import Path

import pytest
from episodes import CALLED, CALLER, DONE, GIVE_UP, TOOLS, episode
from scripted import Scripted
from studies import STUDY
from viewing import chromium, served, shown, tab, wait

from umi_lite.agent.agent import Agent
from umi_lite.agent.branch import branch
from umi_lite.agent.conversation import Conversation
from umi_lite.agent.trace import Trace
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.serve.keeper import Keeper
from umi_lite.serve.page import page
from umi_lite.serve.store import TraceStore

__all__ = ["chromium", "tab"]  # fixtures

ROLES = ("user", "planner", "caller", "tool", "summarizer")


def rows(tab) -> list[str]:
    return [text.replace("\n", " ") for text in tab.locator("#list .what").all_inner_texts()]


def test_a_whole_trace_is_there(tab, tmp_path):
    trace = episode("run-1", CALLER, 'double {"n": "x"}', *CALLED)
    shown(tab, [trace], tmp_path / "t.html")
    assert tab.locator("section h2").inner_text() == "What is 2 * 21?"
    turns = tab.locator(".turn").all()
    assert [turn.locator("h3").inner_text() for turn in turns] == [
        *("1 planner", "2 caller", "3 tool", "4 planner", "5 caller", "6 tool"),
        *("7 planner", "8 summarizer"),
    ]
    text = tab.locator("main").inner_text()
    for part in ("Next: caller", "Next: summarizer", '"n": "x"', "42", "It is 42.", "error"):
        assert part in text
    for turn, kept in zip(turns, trace.turns, strict=True):
        figures = turn.locator(".head .small").last.inner_text()
        if kept.view != "tool":
            tokens = f"prompt {kept.prompt_tokens:,} tokens, {kept.reused} reused"
            assert tokens in figures and f"{kept.generated} generated" in figures
        assert re.search(r"\d\.\d\d s", figures)
    assert tab.locator(".bars a").count() == 8
    assert "small" in tab.locator(".facts").inner_text()


def test_the_exact_prompt_with_its_special_tokens(tab, tmp_path):
    trace = episode("run-1", words="Is <|im_end|> an end?")
    shown(tab, [trace], tmp_path / "t.html")
    for number in (0, 1, 3, 4):
        tab.locator(".turn").nth(number).locator("summary").click()
        box = tab.locator(".turn").nth(number).locator(".exact")
        whole = "".join(text for text, _ in trace.prompt(number))
        assert box.text_content().replace("↵", "") == whole
    marks = box.locator("mark").all_inner_texts()
    assert set(marks) == {"<|im_start|>", "<|im_end|>"}
    # What the user wrote is no special token.
    assert len(marks) == "".join(t for t, special in trace.prompt(4) if special).count("<|im_")
    assert "Is <|im_end|> an end?" in box.locator(".plain").all_inner_texts()


def various() -> list[Trace]:
    now = episode("run-1", words="Double the weather")
    old = episode("run-2", CALLER, 'weather {"city": "Paris"}', GIVE_UP, words="Old one")
    old = old.model_copy(update={"started": old.started.replace(year=2020)})
    return [now, old, episode("run-3", DONE, "Über 42…", words="東京は今何時")]


FILTERS = [
    ({"words": "paris"}, ["Old one"]),
    ({"words": "ÜBER 42"}, ["東京は今何時"]),
    ({"words": "東京は"}, ["東京は今何時"]),
    ({"words": "<b>"}, []),
    ({"ending": "failed"}, ["東京は今何時", "Old one"]),
    ({"ending": "give_up"}, ["Old one"]),
    ({"tool": "weather"}, ["Old one"]),
    ({"since": "3600"}, ["東京は今何時", "Double the weather"]),
    ({"ending": "failed", "since": "3600"}, ["東京は今何時"]),
    ({}, ["東京は今何時", "Double the weather", "Old one"]),
]


@pytest.mark.parametrize("live", [False, True])
def test_filters(tab, tmp_path, live):
    traces = various()
    with TraceStore(tmp_path / "t.db") as store:
        for trace in traces:
            store.save(trace)
        with served(store) as address:
            if live:
                tab.goto(address)
                tab.wait_for_selector("body[data-ready]")
            else:
                shown(tab, traces, tmp_path / "t.html")
            for chosen, expected in FILTERS:
                tab.fill("#words", chosen.get("words", ""))
                for name in ("ending", "tool", "since"):
                    tab.select_option(f"#{name}", chosen.get(name, ""))
                wait(tab, "#list .what", text=expected)
                count = "1 trace" if len(expected) == 1 else f"{len(expected)} traces"
                wait(tab, "#status", text=re.compile(f"^{count}(,|$)"))
    assert not tab.said


def test_two_traces_side_by_side(tab, tmp_path):
    first = episode("run-1")
    task = branch(first.trajectory, 4, "Not yet.\nNext: caller")
    second = Agent(Scripted('weather {"city": "Rome"}', GIVE_UP), TOOLS).run(task)
    shown(tab, [first, second], tmp_path / "t.html")
    tab.get_by_role("link", name=re.compile("1 call")).click()
    tab.get_by_role("button", name="Compare: What is 2 * 21?").first.click()
    sections = tab.get_by_role("region", name=re.compile("^Trace "))
    wait(tab, "section.trace", count=2)
    for side in range(2):
        turns = sections.nth(side).locator(".turn")
        same = ["same" in turn.get_attribute("class") for turn in turns.all()]
        assert same[:3] == [True] * 3 and not any(same[3:])
    assert sections.nth(1).get_by_text("given").count() == 4
    assert "run-1, turn 4" in sections.nth(1).locator(".facts").inner_text()
    sections.nth(0).get_by_role("button", name="Close").click()
    wait(tab, "section.trace", count=1)
    assert tab.get_by_role("region", name=f"Trace {second.trajectory.id}").count() == 1
    assert tab.locator(".same, .differs").count() == 0


def test_a_live_episode_appears_turn_by_turn(tab, tmp_path):
    turns: queue.Queue[str] = queue.Queue()

    class Slow(Scripted):
        def generate(self, request):
            self.turns.append(turns.get(timeout=60))
            return super().generate(request)

    task = Trajectory(id="run-9", source="run", tools=TOOLS.specs, instruction="Slowly, 2 * 21?")
    with TraceStore(tmp_path / "t.db") as store, TraceStore(tmp_path / "t.db") as other:
        store.save(episode("run-1"))
        with served(store) as address:
            tab.goto(f"{address}#a=run-9")
            tab.wait_for_selector("body[data-connected]")
            assert "There is no trace run-9." in tab.locator("main").inner_text()
            run = threading.Thread(
                target=lambda: Agent(Slow(), TOOLS).run(task, on_trace=Keeper(other))
            )
            run.start()
            tab.wait_for_selector("section.trace h2")
            assert "running" in tab.locator(".facts").inner_text()
            assert rows(tab) == ["Slowly, 2 * 21?", "What is 2 * 21?"]
            tab.evaluate("window.same = true")
            for turn, count in zip(CALLED, (1, 3, 4, 5), strict=True):
                turns.put(turn)
                wait(tab, ".turn", count=count)
                if count == 1:
                    tab.locator("summary").first.click()
            run.join(10)
            wait(tab, ".facts .badge", text="answer")
            assert "It is 42." in tab.locator(".turn").last.inner_text()
            # The page was not loaded again, and what was open is open.
            assert tab.evaluate("window.same") is True
            assert tab.locator("details[open]").count() == 1
            assert tab.get_by_role("list", name="Turns").count() == 1


def test_a_live_chat_takes_turns_back(tab, tmp_path):
    chat = Conversation(Agent(Scripted(DONE, "One.", CALLER, "double {"), TOOLS))
    chat.say("First?")
    with TraceStore(tmp_path / "t.db") as store:
        store.save(chat.trace())
        with served(store) as address:
            tab.goto(f"{address}#a={chat.id}")
            tab.wait_for_selector("body[data-connected]")
            wait(tab, ".turn", count=2)
            chat.say("Second?")
            store.save(chat.trace())
            wait(tab, ".turn", count=5)
            chat.undo()
            store.save(chat.trace())
            wait(tab, ".turn", count=2)
            assert tab.locator(".turn h3").all_inner_texts() == ["1 planner", "2 summarizer"]


def test_by_keyboard_and_by_name(tab, tmp_path):
    shown(
        tab,
        [episode("run-1", words="First"), episode("run-2", words="Second")],
        tmp_path / "t.html",
    )
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the trace"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.get_by_role("searchbox", name="Search").focus()
    for name in ("Ending", "Tool", "Since"):
        tab.keyboard.press("Tab")
        assert tab.get_by_role("combobox", name=name).evaluate("n => n === document.activeElement")
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("section.trace h2")
    assert tab.locator("section.trace h2").inner_text() == "First"
    assert tab.locator("#list a[aria-current]").inner_text().startswith("First")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    wait(tab, "section h2", text="Second")
    tab.get_by_role("link", name=re.compile("^turn 2, caller, ")).focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.textContent") == "2 caller"
    # Each thing that can be focused has a name, as a screen reader reads it.
    client = tab.context.new_cdp_session(tab)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    assert len(nodes) > 50
    for node in nodes:
        facts = {p["name"]: p["value"].get("value") for p in node.get("properties", ())}
        if facts.get("focusable") and node["role"]["value"] not in ("RootWebArea", "generic"):
            assert node["name"]["value"].strip(), node
    for role, name in (("navigation", "Traces"), ("main", "Trace"), ("search", "Filter traces")):
        assert tab.get_by_role(role, name=name).count() == 1
    assert tab.get_by_role("heading", level=1).count() == 1


def test_save_gives_the_exchange_format(tab, tmp_path):
    trace = episode("run-1", words="Grüße 東京 \u202e")
    shown(tab, [trace], tmp_path / "t.html")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save JSON").click()
    download.value.save_as(tmp_path / "saved.json")
    assert Trace.load(tmp_path / "saved.json") == trace
    assert download.value.suggested_filename == "run-1.json"


def test_a_trace_of_an_older_version(tab, tmp_path):
    made = json.loads(episode("run-1", CALLER, "double {").model_dump_json())
    for turn in made["turns"]:
        for name in ("at", "step", "continues", "read", "said"):
            turn.pop(name)
    made.pop("pieces"), made.pop("started")
    old = Trace.model_validate(made)
    shown(tab, [old, old], tmp_path / "t.html", "#a=run-1")
    assert tab.locator(".turn h3").all_inner_texts() == ["1 planner", "2 caller"]
    assert "this trace has no prompts" in tab.locator("main").inner_text()
    assert tab.locator("#list a").last.get_attribute("href") == "#a=run-1%20(2)"
    assert not tab.said


def test_no_text_needs_good_eyes():
    """WCAG AA: text has a contrast of 4.5 or more, in both themes."""
    style = (Path(__file__).parents[2] / "umi_lite" / "serve" / "viewer.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    for theme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        inks = ("ink", "soft", "focus", "bad", "good", *ROLES)
        pairs = [(ink, paper) for ink in inks for paper in ("paper", "panel", "chip")]
        for ink, paper in [*pairs, ("special-ink", "special")]:
            bright, dull = sorted(
                (luminance(colours[ink]), luminance(colours[paper])), reverse=True
            )
            assert (bright + 0.05) / (dull + 0.05) >= 4.5, (ink, paper)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("live", [False, True])
def test_many_traces_are_listed_and_filtered(tab, tmp_path, live):
    """2,000 under `make study`, which also holds each to a second."""
    made, count = episode("run-0"), 2000 if STUDY else 200
    traces = []
    for n in range(count):
        task = made.trajectory.model_copy(update={"id": f"run-{n}", "instruction": f"Task {n:04}"})
        traces.append(made.model_copy(update={"trajectory": task}))
    with TraceStore(tmp_path / "t.db") as store:
        if live:
            for trace in traces:
                store.save(trace)
        path = tmp_path / "t.html"
        path.write_text(page(traces), encoding="utf-8")
        with served(store) as address:
            began = time.perf_counter()
            tab.goto(address if live else path.as_uri())
            tab.wait_for_selector("body[data-ready]")
            listed = time.perf_counter() - began
            assert tab.locator("#list li").count() == count
            began = time.perf_counter()
            tab.fill("#words", "task 0107")
            wait(tab, "#list li", count=1)
            filtered = time.perf_counter() - began
            began = time.perf_counter()
            tab.fill("#words", "")
            wait(tab, "#list li", count=count)
            cleared = time.perf_counter() - began
    if STUDY:
        print(f"listed {listed:.2f} s, filtered {filtered:.2f} s, cleared {cleared:.2f} s")
        assert max(listed, filtered, cleared) < 1
