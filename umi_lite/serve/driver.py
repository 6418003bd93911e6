"""One engine for many clients: a thread that runs their episodes side by side."""

import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from umi_lite.agent.agent import line, use
from umi_lite.agent.episode import Episode, Steps
from umi_lite.agent.trace import StopReason, Trace
from umi_lite.engine.request import Generation, Request, RoleEngine, TurnFailed
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.trajectory import Call, Observation
from umi_lite.tools.tools import Toolbox

_LOG = logging.getLogger(__name__)
# Seconds that an episode is thought to take until one has ended.
_GUESS = 5.0
_LONGEST_WAIT = 120


class Full(Exception):
    """The queue, or what else requests wait in, is full. `seconds` is when to ask again."""

    def __init__(self, seconds: int, what: str = "the queue"):
        super().__init__(f"{what} is full; ask again in {seconds} s")
        self.seconds = seconds


class Closed(Exception):
    """The server is being stopped, or its driver has failed."""


@dataclass(eq=False)
class Ticket:
    """One client's episode, from the queue to its trace.

    Args:
        toolbox: None where the client runs the calls: the episode then ends with the first call
            that its tool's schema allows.
        on_end: called once, in the driver's thread, with the trace.
    """

    episode: Episode
    toolbox: Toolbox | None
    on_end: Callable[[Trace], None]
    steps: Steps = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.steps = self.episode.run()


class Driver:
    """Runs episodes in a thread, `engine.slots` at once; the others wait in a queue.

    The engine is used by this thread alone. Tools run in threads of their own, so that a slow
    one holds up its episode only. Methods may be called from any thread.

    Args:
        engine: stays open until `stop`.
        waiting: how many episodes may wait.
        tool_threads: how many tool calls run at once.
        bundle: its name, for the traces.
    """

    def __init__(
        self, engine: RoleEngine, *, waiting: int, tool_threads: int, bundle: str | None = None
    ):
        self._engine = engine
        self._most = waiting
        self._bundle = bundle
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._left: set[Ticket] = set()
        self._seen: deque[tuple[Ticket, Observation | BaseException]] = deque()
        self._deadline: float | None = None
        self._running: set[Ticket] = set()
        self._asking: dict[Request, Ticket] = {}
        self._calls: queue.SimpleQueue[tuple[Ticket, Toolbox, Call]] = queue.SimpleQueue()
        self._average = _GUESS
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._main, name="driver", daemon=True)
        # Daemons: a tool that never returns must not keep the process alive.
        self._tools = [
            threading.Thread(target=self._use_tools, name=f"tool-{i}", daemon=True)
            for i in range(tool_threads)
        ]

    @property
    def slots(self) -> int:
        """Return how many episodes run at once."""
        return self._engine.slots

    @property
    def running(self) -> int:
        """Return how many episodes have a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Return how many episodes wait for a slot."""
        return len(self._waiting)

    @property
    def closing(self) -> bool:
        """True if no new episodes are taken."""
        return self._deadline is not None

    def start(self) -> None:
        """Start the threads."""
        for thread in (self._thread, *self._tools):
            thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Queue an episode.

        Raises:
            Full: as many as allowed are waiting.
            Closed: `drain` was called, or the driver has failed.
        """
        with self._changed:
            if self.closing or self.failure is not None:
                raise Closed(self.failure or "the server is being stopped")
            # Those that a free slot is for do not count as waiting.
            free = self._engine.slots - len(self._running)
            if len(self._waiting) >= self._most + max(0, free):
                raise Full(self._retry_after())
            self._waiting.append(ticket)
            self._changed.notify()

    def cancel(self, ticket: Ticket) -> None:
        """End an episode whose client has left; its slot is free at once.

        An evaluation in progress is stopped, and repeated if others need it.
        """
        with self._changed:
            self._left.add(ticket)
            self._changed.notify()
        self._engine.interrupt()

    def drain(self, seconds: float) -> None:
        """Take no new episodes, and end those that are unfinished after these seconds."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            self._changed.notify()

    def stop(self, seconds: float = 0.0) -> None:
        """Drain, and wait for the end of the thread; the engine can be closed then."""
        if not self.closing:
            self.drain(seconds)
        if self._thread.ident is not None:
            self._thread.join()

    def trace_of(self, episode: Episode) -> Trace:
        """Return the trace of an episode so far, with the names of model and bundle."""
        return episode.trace(model=self._engine.base.name, bundle=self._bundle)

    def _retry_after(self) -> int:
        """Return the seconds in which the waiting episodes will probably have slots."""
        rounds = (len(self._waiting) + 1) / self._engine.slots
        return min(_LONGEST_WAIT, max(1, math.ceil(rounds * self._average)))

    def _main(self) -> None:
        try:
            while self._wait():
                self._end_left()
                self._take_observations()
                self._begin()
                if self._asking:
                    self._step()
        except BaseException as err:
            self.failure = line(err)
            _LOG.exception("the driver has failed")
        finally:
            self._end_all()

    def _wait(self) -> bool:
        """Wait until there is something to do; return False once all is done."""
        with self._changed:
            while True:
                rest = None if self._deadline is None else self._deadline - time.monotonic()
                idle = not self._running and not self._waiting
                if rest is not None and (rest <= 0 or idle):
                    return False
                can_begin = self._waiting and len(self._running) < self._engine.slots
                if self._asking or self._seen or self._left or can_begin:
                    return True
                self._changed.wait(rest)

    def _end_left(self) -> None:
        with self._changed:
            left, self._left = self._left, set()
            self._waiting = deque(ticket for ticket in self._waiting if ticket not in left)
        for ticket in left:
            # One that waited has no trace.
            if ticket in self._running:
                self._end(ticket, "interrupted", "the client left")

    def _take_observations(self) -> None:
        while self._seen:
            ticket, seen = self._seen.popleft()
            if ticket not in self._running:
                continue  # its client left meanwhile
            if isinstance(seen, BaseException):
                self._end(ticket, "tool_crash", str(seen))
            else:
                self._advance(ticket, seen)

    def _begin(self) -> None:
        while len(self._running) < self._engine.slots:
            with self._changed:
                if not self._waiting:
                    return
                ticket = self._waiting.popleft()
                self._running.add(ticket)
            self._advance(ticket, None)

    def _step(self) -> None:
        try:
            finished = self._engine.step()
        except TurnFailed as err:
            ticket = self._asking.pop(err.request, None)
            if ticket is not None:
                self._end(ticket, "error", str(err))
            return
        except Exception as err:
            _LOG.exception("the engine has failed")
            for ticket in list(self._asking.values()):
                self._end(ticket, "error", line(err))
            return
        for request, generation in finished:
            ticket = self._asking.pop(request, None)
            if ticket is not None:
                self._advance(ticket, generation)

    def _advance(self, ticket: Ticket, sent: Generation | Observation | None) -> None:
        """Take an episode to its next request or call, or to its end."""
        try:
            while True:
                asked = ticket.steps.send(sent)
                if isinstance(asked, Request):
                    self._engine.submit(asked)
                    self._asking[asked] = ticket
                    return
                if ticket.toolbox is not None:
                    self._calls.put((ticket, ticket.toolbox, asked))
                    return
                wrong = _fault(asked, ticket.episode)
                if wrong is None:
                    self._end(ticket, "call")
                    return
                sent = Observation(content=wrong, error=True)
        except StopIteration:
            self._finish(ticket)
        except Exception as err:
            _LOG.exception("an episode has failed")
            self._end(ticket, "error", line(err))

    def _use_tools(self) -> None:
        while True:
            ticket, toolbox, call = self._calls.get()
            if ticket not in self._running:
                continue
            try:
                seen: Observation | BaseException = use(toolbox, call)
            except BaseException as err:
                seen = err
            with self._changed:
                self._seen.append((ticket, seen))
                self._changed.notify()

    def _end(self, ticket: Ticket, stop: StopReason, error: str | None = None) -> None:
        ticket.episode.ended(stop, error)
        self._finish(ticket)

    def _finish(self, ticket: Ticket) -> None:
        ticket.steps.close()
        self._asking = {asked: one for asked, one in self._asking.items() if one is not ticket}
        self._engine.release(ticket.episode)
        with self._changed:
            self._running.discard(ticket)
        trace = self.trace_of(ticket.episode)
        self._average += 0.2 * (trace.seconds - self._average)
        ticket.on_end(trace)

    def _end_all(self) -> None:
        with self._changed:
            self._deadline = self._deadline or time.monotonic()
            tickets = [*self._running, *self._waiting]
            self._waiting.clear()
        for ticket in tickets:
            if self.failure is None:
                self._end(ticket, "interrupted", "the server was stopped")
            else:
                self._end(ticket, "error", self.failure)


def _fault(call: Call, episode: Episode) -> str | None:
    """Return what is wrong with a call, by all of its tool's schema; None if nothing."""
    tool: Any = next((one for one in episode.trajectory.offered if one.name == call.tool), None)
    return (
        f"no tool {call.tool!r}" if tool is None else Check(tool.parameters).fault(call.arguments)
    )
