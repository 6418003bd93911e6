"""`Agent.load` and the forms of a task: run, stream, arun, astream."""

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted

from umi_lite import Agent, Bounds, Recipe, Toolbox, Trace, UserError, tool
from umi_lite.agent.stream import Event
from umi_lite.bundle.bundle import Bundle
from umi_lite.errors import Note
from umi_lite.protocol.trajectory import Call
from umi_lite.tools.mcp.servers import mcp_servers

CALLER, DONE = "Look.\nNext: caller", "Done.\nNext: summarizer"
TURNS = (CALLER, 'double {"number": 4}', DONE, "It is 8.")
HOSTILE = Path(__file__).parent / "tools" / "mcp" / "hostile_server.py"


@tool
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


def agent(*turns: str | BaseException, **more: Any) -> Agent:
    return Agent(Scripted(*turns), Toolbox([double]), **more)


def test_a_stream_has_each_text_with_its_speaker_and_then_the_trace(tmp_path: Path) -> None:
    stream = agent(*TURNS).stream("Twice 4?", tmp_path / "t.json")
    assert stream.trace is None
    assert list(stream) == [
        Event("planner", CALLER),
        Event("caller", TURNS[1]),
        Event("tool", "8"),
        Event("planner", DONE),
        Event("summarizer", "It is 8."),
    ]
    assert stream.trace is not None and stream.trace.answer == "It is 8."
    assert Trace.load(tmp_path / "t.json").trajectory == stream.trace.trajectory
    # What `run` gives.
    made = agent(*TURNS).run("Twice 4?")
    assert made.trajectory.steps == stream.trace.trajectory.steps and made.stop == "answer"


def test_a_stream_that_is_closed_frees_the_agent_and_its_trace_says_so() -> None:
    made = agent(*TURNS)
    stream = made.stream("Twice 4?")
    assert next(stream).speaker == "planner"
    with pytest.raises(UserError, match="the agent is running a task"):
        made.run("Another?")
    stream.close()
    assert stream.trace is not None and stream.trace.stop == "interrupted"
    assert made.engine.released == [made.engine.asked[0].episode]
    for event in made.stream("And so?"):
        assert event.text == TURNS[1]
        break
    assert made.run("And now?").answer == "It is 8."


def test_an_error_ends_a_stream_after_what_was_written() -> None:
    made = agent(CALLER, ValueError("no power"))
    stream = made.stream("Twice 4?")
    assert next(stream).text == CALLER
    with pytest.raises(ValueError, match="no power"):
        next(stream)
    assert stream.trace is not None and stream.trace.error == "ValueError: no power"


def test_a_tool_that_ends_the_program_is_a_stop_reason_of_a_stream() -> None:
    @tool
    def quit() -> str:
        """Quit."""
        raise SystemExit(3)

    stream = Agent(Scripted(CALLER, "quit {}"), Toolbox([quit])).stream("Quit.")
    assert [event.speaker for event in stream] == ["planner", "caller"]
    assert stream.trace is not None and stream.trace.stop == "tool_crash"


def test_a_chat_continues_its_transcript() -> None:
    talk = agent(*TURNS, DONE, "It was 8.").chat()
    assert talk.say("Twice 4?").answer == "It is 8."
    again = talk.say("What was it?")
    assert again.answer == "It was 8." and len(talk.turns) == 2
    assert "It is 8." in talk.agent.engine.prompt(-1)


def test_asyncio_has_both_forms_and_other_coroutines_run_meanwhile() -> None:
    reached = threading.Event()
    release = threading.Event()

    @tool
    def wait() -> str:
        """Wait."""
        reached.set()
        assert release.wait(20)
        return "waited"

    async def main() -> tuple[Trace, list[Event]]:
        one = Agent(Scripted(CALLER, "wait {}", DONE, "Now.", *TURNS), Toolbox([wait, double]))
        running = asyncio.create_task(one.arun("Wait."))
        while not reached.is_set():
            await asyncio.sleep(0.01)
        release.set()
        trace = await running
        return trace, [event async for event in one.astream("Twice 4?")]

    trace, events = asyncio.run(main())
    assert trace.answer == "Now." and events[-1] == Event("summarizer", "It is 8.")


def test_a_cancelled_task_ends_in_its_thread_before_the_next() -> None:
    class Endless(Scripted):
        """Each turn plans one more call."""

        def generate(self, request: Any) -> Any:
            self.turns.extend([CALLER, f'double {{"number": {len(self.asked)}}}'])
            return super().generate(request)

    async def main() -> Agent:
        one = Agent(Endless(), Toolbox([double]), Bounds(max_calls=10**9, max_seconds=10**9))
        running = asyncio.create_task(one.arun("Twice 4?"))
        while not one.engine.asked:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return one

    before = set(threading.enumerate())
    one = asyncio.run(main())
    assert len(one.engine.released) == 1
    assert not [left for left in threading.enumerate() if left not in before]


def test_tasks_of_threads_wait_for_each_other() -> None:
    inside = 0

    @tool
    def alone() -> str:
        """Be alone."""
        nonlocal inside
        inside += 1
        seen = inside
        threading.Event().wait(0.02)
        inside -= 1
        return str(seen)

    class Same(Scripted):
        def generate(self, request: Any) -> Any:
            self.turns.extend([self.next.pop(0)])
            self.next = self.next or [CALLER, "alone {}", DONE, "x"]
            return super().generate(request)

        next = [CALLER, "alone {}", DONE, "x"]  # noqa: RUF012

    one = Agent(Same(), Toolbox([alone]))

    async def main() -> list[Trace]:
        return await asyncio.gather(*(one.arun(f"Be {n}.") for n in range(5)))

    for trace in asyncio.run(main()):
        assert trace.trajectory.steps[2].content == "1"  # type: ignore[union-attr]


@pytest.fixture
def opened(bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    return bundle


def test_load_opens_a_bundle_with_functions_sets_and_servers(opened: Bundle) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    command = f"{sys.executable} -I {HOSTILE}"
    with (
        pytest.warns(Note, match="hostile: tool no_such_schema"),
        Agent.load(opened.path, tools=[double, "python"], mcp=command, allow=["erase"]) as made,
    ):
        names = [spec.name for spec in made.toolbox.specs]
        assert names[:3] == ["double", "python", "echo"]
        assert made.toolbox.call(Call(tool="erase", arguments={"text": "all"})).content == "all"
        assert made.bundle == opened.path.name and made.bounds == opened.spec.bounds
    assert made.toolbox.call(Call(tool="echo", arguments={"text": "x"})).content.endswith("stopped")
    with pytest.raises(UserError, match="McpServers has a consent"):
        Agent.load(opened, mcp=mcp_servers([command]), allow=["erase"])


def test_load_has_the_bundles_tools_and_says_what_is_missing(
    opened: Bundle, tmp_path: Path
) -> None:
    with Agent.load(opened) as made:
        assert "calculator" in {spec.name for spec in made.toolbox.specs}
    with pytest.raises(UserError, match=r"runs/quickstart/bundle is not a bundle"):
        Agent.load(tmp_path / "runs/quickstart/bundle")


def test_a_recipe_is_loaded_and_trained_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.load("toolworld/smollm2-135m", ["lora.r=4"])
    assert recipe.lora.r == 4
    asked: list[Any] = []
    monkeypatch.setattr(
        "umi_lite.train.trainer.train", lambda *given, **more: asked.append((given, more))
    )
    recipe.train(resume=True)
    recipe.train(tmp_path)
    assert asked == [
        ((recipe, Path("runs/toolworld-smollm2-135m")), {"resume": True}),
        ((recipe, tmp_path), {"resume": False}),
    ]


SCRIPT = f"""
import sys
from umi_lite import Agent
agent = Agent.load(sys.argv[1], mcp="{sys.executable} -I {HOSTILE} loner")
print(next(spec.description for spec in agent.toolbox.specs if spec.name == "child"))
"""


def test_an_agent_that_is_never_closed_ends_its_servers_with_the_program(opened: Bundle) -> None:
    import subprocess

    import psutil

    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(opened.path)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    child = int(done.stdout)
    try:
        psutil.Process(child).wait(10)
    except psutil.NoSuchProcess:
        return
