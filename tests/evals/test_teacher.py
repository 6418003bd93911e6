"""Teacher-forced prediction, by an engine that knows every gold prompt and by the real one."""

import json
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
from bytetokens import CHATML, END, ByteTokenizer
from datafiles import data_file

from umi_lite.agent.episode import Bounds
from umi_lite.data.toolbench import load
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Generation, Request, check_size
from umi_lite.evals.static import score
from umi_lite.evals.static_files import Gold, load_gold
from umi_lite.evals.static_metrics import METRICS
from umi_lite.evals.teacher import TeacherForced, predict
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.roles import parse_call, step_text
from umi_lite.protocol.template import ChatTemplate
from umi_lite.protocol.trajectory import Answer, Call, Plan, View

SHORT = Bounds(
    max_thought_chars=80, max_thought_tokens=40, max_call_tokens=60, max_answer_tokens=24
)
SPEAKER: dict[type, View] = {Plan: "planner", Call: "caller", Answer: "summarizer"}


class Knowing(ByteTokenizer):
    """Answers each prompt that a gold history makes with the gold step; another is an error."""

    def __init__(self, path: Path, slots: int = 3, n_ctx: int = 10**6):
        super().__init__()
        self.template = ChatTemplate(CHATML, ends=[END])
        self.n_ctx, self.slots, self.base = n_ctx, slots, Path("knowing.gguf")
        self.known: dict[tuple[View, tuple[int, ...]], str] = {}
        self.asked: list[Request] = []
        self.released = 0
        self._queue: deque[Request] = deque()
        for made in load(path, keep_bad_arguments=True).trajectories:
            transcripts = {view: Transcript(view, self.template, self) for view in SPEAKER.values()}
            for at, step in enumerate(made.steps):
                # A plan without a next speaker is not a turn that the planner is asked for.
                if type(step) in SPEAKER and getattr(step, "next", "") is not None:
                    so_far = made.model_copy(update={"steps": made.steps[:at]})
                    view = SPEAKER[type(step)]
                    ids = transcripts[view].advance(so_far)
                    self.known[view, tuple(ids)] = step_text(step, made.tools)

    def view_of(self, role: View) -> View:
        return role

    def speaker_of(self, role: View) -> View:
        return self.view_of(role)

    def language(self, view: View) -> "Knowing":
        return self

    def generate(self, request: Request) -> Generation:
        text = self.known[request.view, tuple(request.ids)]
        return Generation(ids=tuple(text.encode()), text=text, stop="eot")

    def submit(self, request: Request) -> None:
        check_size(request, self.n_ctx)
        self.asked.append(request)
        self._queue.append(request)

    def step(self) -> list[tuple[Request, Generation]]:
        request = self._queue.popleft()
        return [(request, self.generate(request))]

    def release(self, episode: Hashable) -> None:
        self.released += 1


class Contrary(Knowing):
    """Says at every decision what is wrong there; the histories must not show it."""

    def generate(self, request: Request) -> Generation:
        if request.view == "planner":
            gold = super().generate(request).text
            who = "give_up" if gold.endswith("caller") else "caller"
            text = f"No.\nNext: {who}"
        else:
            text = "nothing {}"
        return Generation(ids=tuple(text.encode()), text=text, stop="eot")


def values(gold: Gold, forced: TeacherForced) -> list[float]:
    report = score(gold, forced.predictions).report()
    return [report[name] for name in METRICS]


def test_who_says_the_gold_has_the_whole_score() -> None:
    path = data_file("toolbench/static_dev.json")
    gold = load_gold(path, 40)
    engine = Knowing(path)
    forced = predict(engine, gold)
    assert not forced.missing
    assert set(forced.predictions) == {step.place for step in gold.steps}
    assert values(gold, forced) == pytest.approx([100, 100, 0, 100, 100], abs=1e-4)
    assert engine.released == 40


def test_a_wrong_turn_does_not_get_into_the_history() -> None:
    path = data_file("toolbench/static_dev.json")
    gold = load_gold(path, 20)
    forced = predict(Contrary(path), gold)
    plan_acc, act_em, hallucination, *_ = values(gold, forced)
    assert plan_acc == act_em == 0
    calls = sum(step.next == "caller" for step in gold.steps)
    assert hallucination == pytest.approx(100 * (1 - calls / len(gold.steps)))


DIALOGUES: list[dict[str, Any]] = [
    {
        "tools": [
            {"Name": "weather", "function": "The weather.", "input": {"city": "string, a city"}},
            {"Name": "weather", "function": "Another.", "input": {"day": "string, a day"}},
            {"Name": "news", "function": "What is new.", "input": {}},
        ],
        "instruction": "How is the weather in Oslo?",
        "conversations": [
            {"from": "user", "value": "How is the weather in Oslo?"},
            {"from": "assistant", "value": "Ask for it.\n Next: caller."},
            {"from": "caller", "value": 'Action: weather\nAction Input: {"city": "Oslo"}'},
            {"from": "observation", "value": "sun"},
            {"from": "assistant", "value": "Shall I answer?"},
            {"from": "user", "value": "Do."},
            {"from": "assistant", "value": "Done.\n Next: conclusion."},
            {"from": "conclusion", "value": "It is sunny."},
        ],
    },
    {
        "tools": [{"Name": "news", "function": "What is new.", "input": {}}],
        "instruction": "Sing.",
        "conversations": [
            {"from": "user", "value": "Sing."},
            {"from": "assistant", "value": "No tool sings.\n Next: give up."},
        ],
    },
]


def write(path: Path, dialogues: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(dialogues), encoding="utf-8")
    return path


def test_what_does_not_fit_is_missing_with_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "gold.json", DIALOGUES)
    gold = load_gold(path)
    longest = max(len(ids) for view, ids in Knowing(path).known if view == "planner")
    n_ctx = longest + SHORT.max_thought_tokens - 1
    forced = predict(Knowing(path, n_ctx=n_ctx), gold, bounds=SHORT)
    assert sorted(forced.predictions) == [(0, 1), (1, 1)]
    (fault,) = forced.missing
    assert (fault.dialogue, fault.turn) == (0, 6)
    assert f"do not fit a context of {n_ctx}" in fault.reason
    report = score(gold, forced.predictions, [fault.reason]).report()
    assert report["missing_why"] == {fault.reason: 1}
    assert report["plan_acc"] == pytest.approx(200 / 3)


def test_what_cannot_be_asked_is_missing_with_the_reason(tmp_path: Path) -> None:
    spaced = json.loads(json.dumps(DIALOGUES).replace("weather", "the weather"))
    silent = json.loads(json.dumps(DIALOGUES[1]).replace('"user"', '"observation"'))
    path = write(tmp_path / "gold.json", [spaced[0], DIALOGUES[1], silent])
    gold = load_gold(path)
    forced = predict(Knowing(path), gold)
    assert sorted(forced.predictions) == [(0, 6), (1, 1)]
    reasons = {(fault.dialogue, fault.turn): fault.reason for fault in forced.missing}
    assert "a name has no spaces" in reasons[0, 1]
    assert "does not begin with the user" in reasons[2, 1]


def test_the_real_model(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model, two dialogues at once: legal turns, and no prompt read twice."""
    path = write(tmp_path / "gold.json", DIALOGUES)
    gold = load_gold(path)
    said: list[tuple[Request, Generation]] = []
    step = engine.step

    def watched() -> list[tuple[Request, Generation]]:
        done = step()
        said.extend(done)
        return done

    monkeypatch.setattr(engine, "step", watched)
    engine.forget()
    forced = predict(engine, gold, bounds=SHORT)
    assert not forced.missing
    assert sorted(forced.predictions) == [(0, 1), (0, 6), (1, 1)]
    for request, turn in said:
        if request.view == "caller":
            assert parse_call(turn.text).tool in {"weather", "news"}
    plans = [(r, g) for r, g in said if r.view == "planner"]
    assert len(plans) == 3
    later = max(plans, key=lambda pair: len(pair[0].ids))
    earlier = max(len(r.ids) for r, _ in plans if r is not later[0])
    # All but the last prompt's final tokens, and the gold turns since.
    assert later[1].reused >= earlier - 8
    assert predict(engine, gold, bounds=SHORT).predictions == forced.predictions
    monkeypatch.setattr(engine, "view_of", lambda role: "backbone")
    single = predict(engine, gold, bounds=SHORT)
    assert len(single.predictions) == 3
    assert {request.view for request, _ in said[-3:]} == {"backbone"}
