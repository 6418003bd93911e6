"""An episode as its texts arrive: in a `for` loop, or in an `async for`."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from umi_lite.agent.agent import Agent, OnTrace, Playing, use
from umi_lite.agent.episode import Episode
from umi_lite.agent.trace import Trace
from umi_lite.engine.request import Generation, Request
from umi_lite.protocol.trajectory import Observation, Trajectory


class Event(NamedTuple):
    """A stretch of text, and who wrote it: a role, or `tool`."""

    speaker: str
    text: str


class Stream(Iterator[Event]):
    """One episode that runs while it is iterated, in the same thread.

    A stream that is left before its end is closed.

    Args:
        alone: entered while it runs.
    """

    def __init__(
        self,
        agent: Agent,
        instruction: str | Trajectory,
        trace_path: Path | None,
        on_trace: OnTrace | None,
        alone: AbstractContextManager[None],
    ):
        # Not an attribute that the generator sets: it would refer to this object, and a stream
        # that a `break` leaves would run on until the garbage collector comes.
        self._ended: list[Trace] = []
        self._events = _run(agent, instruction, trace_path, on_trace, alone, self._ended)

    @property
    def trace(self) -> Trace | None:
        """Return the episode's trace, None while it runs."""
        return self._ended[0] if self._ended else None

    def __next__(self) -> Event:
        return next(self._events)

    def close(self) -> None:
        """End the episode here; its trace has the stop reason `interrupted`."""
        self._events.close()


def _run(
    agent: Agent,
    instruction: str | Trajectory,
    trace_path: Path | None,
    on_trace: OnTrace | None,
    alone: AbstractContextManager[None],
    ended: list[Trace],
) -> Generator[Event]:
    events: deque[Event] = deque()
    playing: Playing | None = None

    def heard(speaker: str, text: str) -> None:
        events.append(Event(speaker, text))

    try:
        with alone, agent.playing(instruction, heard, trace_path, on_trace) as playing:
            yield from _played(playing.episode, agent, events)
    finally:
        if playing is not None and playing.trace is not None:
            ended.append(playing.trace)


def _played(episode: Episode, agent: Agent, events: deque[Event]) -> Generator[Event]:
    """Run an episode to its end; yield what was written after each step of the engine."""
    steps = episode.run()
    answer: Generation | Observation | None = None
    while True:
        try:
            asked = steps.send(answer)
        except StopIteration:
            break
        finally:
            while events:
                yield events.popleft()
        if not isinstance(asked, Request):
            answer = use(agent.toolbox, asked)
            continue
        agent.engine.submit(asked)
        answer = None
        while answer is None:
            for request, generation in agent.engine.step():
                answer = generation if request is asked else answer
            while events:
                yield events.popleft()


class AsyncStream:
    """One episode for `async for`; it runs in another thread.

    Attributes:
        trace: the episode's, once it has ended.
    """

    def __init__(self, begin: Callable[[], Stream]):
        self.trace: Trace | None = None
        self._begin = begin

    async def __aiter__(self) -> AsyncGenerator[Event]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Event | None] = asyncio.Queue()
        left = threading.Event()

        def run() -> None:
            stream = self._begin()
            try:
                for event in stream:
                    if left.is_set():
                        break
                    loop.call_soon_threadsafe(arrived.put_nowait, event)
            finally:
                stream.close()
                self.trace = stream.trace

        running = loop.run_in_executor(None, run)
        running.add_done_callback(lambda _: arrived.put_nowait(None))
        try:
            while (event := await arrived.get()) is not None:
                yield event
        finally:
            # The engine is free only once the thread has ended.
            left.set()
            await asyncio.wait([running])
        running.result()
