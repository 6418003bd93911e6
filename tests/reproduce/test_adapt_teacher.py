"""A teacher's wordings: sound ones are kept, and what it gets wrong is a counted reason."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from local_server import JsonHandler, LocalServer, running
from rich.console import Console

from umi_lite.data.own_tools import OwnTools
from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.wording import SynthTool
from umi_lite.engine.client import Endpoint
from umi_lite.protocol.trajectory import Tool
from umi_lite.reproduce.own_tasks import OwnTasks, Sizes, own_tasks
from umi_lite.reproduce.teacher import Teacher

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TOOL = Tool(name="get_weather", description="Get the weather forecast", parameters=SCHEMA)
OWN = OwnTools("--mcp x", "x", (SynthTool(TOOL, None, "x"),))
SIZES = Sizes(train=12, held_out=4, seed=0, max_length=1024)


class Handler(JsonHandler):
    def do_POST(self) -> None:
        prompt = self.body()["messages"][0]["content"]
        found = re.search(r"Request: (.*)", prompt)
        assert found
        says = self.server.says(found[1], len(self.server.asked))  # type: ignore[attr-defined]
        if isinstance(says, int):
            self.reply(says, {"error": {"message": "slow down"}})
        elif isinstance(says, float):
            time.sleep(says)
        else:
            message = {"role": "assistant", "content": says}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            whole = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
            self.reply(200, {**whole, "choices": [choice]})


def worded(tmp_path: Path, says: Any, **more: Any) -> OwnTasks:
    server = LocalServer(Handler)
    server.says = says  # type: ignore[attr-defined]
    with running(server):
        endpoint = Endpoint(server.url, "m")
        journal = tmp_path / "teacher.jsonl"
        teacher = Teacher(endpoint, journal, Console(quiet=True), **more)
        return own_tasks(OWN, SIZES, tmp_path, teacher)


def reasons(tasks: OwnTasks) -> dict[str, int]:
    found = {reason: count for reason, count, _ in tasks.dropped}
    head = "the teacher's wording: "
    return {r.removeprefix(head): n for r, n in found.items() if r.startswith(head)}


def plain(tmp_path: Path) -> OwnTasks:
    return own_tasks(OWN, SIZES, tmp_path / "plain")


def test_sound_wordings_are_kept_and_verify(tmp_path: Path) -> None:
    tasks = worded(tmp_path, lambda said, n: f"Be so kind:\n {said}")
    before = plain(tmp_path)
    for one, other in zip(tasks.train, before.train, strict=True):
        kept = one.meta["kind"] == "missing"
        assert one.instruction == (
            other.instruction if kept else f"Be so kind: {other.instruction}"
        )
        assert one.steps == other.steps and fault_of(one) == ""
    assert tasks.held_out == before.held_out, "measured in the words of rules, always the same"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (lambda said, n: "", "it is empty or far too long"),
        (lambda said, n: "lorem ipsum " * 80, "it is empty or far too long"),
        (lambda said, n: "How is the weather?", "a value is missing"),
        (lambda said, n: f"{said} Of 7 stations.", "it has other numbers"),
    ],
)
def test_garbage_is_counted_and_the_rules_words_stay(
    tmp_path: Path, says: Any, reason: str
) -> None:
    tasks = worded(tmp_path, says)
    assert tasks.train == plain(tmp_path).train
    assert reasons(tasks)[reason] >= 8


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (lambda said, n: 429, "slow down"),
        (lambda said, n: 3.0, "no answer within 0.3 s"),
        (lambda said, n: f"Hi. {said}" if n <= 3 else 400, "slow down"),
    ],
)
def test_a_busy_or_hanging_teacher_is_a_counted_reason(
    tmp_path: Path, says: Any, reason: str
) -> None:
    tasks = worded(tmp_path, says, timeout=0.3, retries=0)
    assert any(reason in said for said in reasons(tasks)), reasons(tasks)
    assert len(tasks.train) == len(plain(tmp_path).train)
    new = [one for one in tasks.train if one.instruction.startswith("Hi. ")]
    assert len(new) <= 3
