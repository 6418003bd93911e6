"""`POST /v1/chat/completions`: a request through the driver, answered whole or as a stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from umi_lite.agent.episode import Episode
from umi_lite.agent.trace import Trace
from umi_lite.serve.driver import Closed, Driver, Full, Ticket
from umi_lite.serve.errors import BadRequest, error_json
from umi_lite.serve.memory import Memory
from umi_lite.serve.metrics import Metrics
from umi_lite.serve.reply import AnswerStream, Failed, Reply, event, outcome
from umi_lite.serve.request import parse_request
from umi_lite.serve.saver import Saver
from umi_lite.serve.turn import Served, Turn, make_turn

# Seconds without an event after which a stream sends a comment, so that no proxy closes it.
_QUIET = 15.0
_BODY_SECONDS = 30.0
# Memory for the bodies of requests that are not queued yet, in bodies of the greatest length.
_MOST_BODIES = 16
# An event of an episode: whose text, and its text; or at the end its trace.
Event = tuple[str, str] | Trace


@dataclass
class Chat:
    """The endpoint, and what its requests share.

    Attributes:
        max_body: bytes of a request's body.
        saver: keeps the traces; None for no store.
    """

    served: Served
    driver: Driver
    metrics: Metrics
    max_body: int
    saver: Saver | None
    memory: Memory
    _held: int = 0

    async def __call__(self, request: Request) -> Response:
        body = bytearray()
        try:
            await self._read(request, body)
            turn = await asyncio.to_thread(self._turn, body)
            episode = _Running(self, turn)
            self.driver.submit(episode.ticket)
        except BadRequest as err:
            return self._refused(err.status, err.json())
        except ClientDisconnect:
            return self._refused(499, {})
        except Full as err:
            headers = {"Retry-After": str(err.seconds)}
            return self._refused(429, error_json(str(err), 429), headers)
        except Closed as err:
            return self._refused(503, error_json(str(err), 503), {"Connection": "close"})
        finally:
            self._held -= len(body)
        if turn.request.stream:
            return _Stream(episode)
        return await episode.whole(request)

    def _turn(self, body: bytearray) -> Turn:
        request = parse_request(body)
        if request.store and self.saver is None:
            raise BadRequest("store: this server keeps no traces", "store")
        return make_turn(request, self.served, self.memory)

    async def _read(self, request: Request, body: bytearray) -> None:
        """Add the request's bytes to `body`.

        Raises:
            BadRequest: it is not JSON by its type, too long, or does not come in 30 s.
            Full: the bodies of other requests take all the memory that there is for them.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # A page elsewhere can send other types without asking the server first (CORS).
            raise BadRequest(f"content-type must be application/json, not {kind!r}", status=415)
        size = request.headers.get("content-length", "")
        too_long = BadRequest(f"the body has more than {self.max_body} bytes", status=413)
        if size.isdigit() and int(size) > self.max_body:
            raise too_long
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in request.stream():
                    self._held += len(part)
                    body += part
                    if len(body) > self.max_body:
                        raise too_long
                    if self._held > _MOST_BODIES * self.max_body:
                        raise Full(1, "the memory for requests")
        except TimeoutError:
            raise BadRequest(f"the body did not come in {_BODY_SECONDS:g} s", status=408) from None

    def _refused(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Response:
        self.metrics.answered(status)
        return JSONResponse(body, status, headers)


class _Running:
    """A request's episode in the driver, as its response sees it."""

    def __init__(self, chat: Chat, turn: Turn):
        self.chat = chat
        self.turn = turn
        self.ticket = Ticket(turn.episode, turn.toolbox, self._ended)
        self.reply = Reply(
            chat.served,
            turn.episode.trajectory.id,
            bool(turn.request.stream_options and turn.request.stream_options.include_usage),
        )
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._over = False
        self._saver = None if turn.request.store is False else chat.saver
        if self._saver is not None:
            turn.episode.on_step = self._grown
        if turn.request.stream:
            turn.episode.on_event = lambda who, text: self._send((who, text))

    async def whole(self, request: Request) -> Response:
        """Return the whole response."""
        chat = self.chat
        with self.attended():
            async with _Watch(request.receive) as watch:
                trace = await watch.first(self._events.get())
        if not isinstance(trace, Trace):
            return chat._refused(499, {})
        made = outcome(self.turn, trace, chat.memory)
        if isinstance(made, Failed):
            return chat._refused(made.status, made.json)
        chat.metrics.answered(200)
        return JSONResponse(self.reply.whole(made, trace))

    async def events(self) -> AsyncIterator[Event | None]:
        """Yield the events, the trace at the end; None where nothing came for 15 s."""
        while True:
            try:
                found = await asyncio.wait_for(self._events.get(), _QUIET)
            except TimeoutError:
                yield None
                continue
            yield found
            if isinstance(found, Trace):
                return

    @contextlib.contextmanager
    def attended(self) -> Iterator[None]:
        """Cancel the episode at the end if it has not ended: nothing reads it any more."""
        try:
            yield
        finally:
            if not self._over:
                self.chat.driver.cancel(self.ticket)

    def _grown(self, episode: Episode) -> None:
        """Keep what there is of the episode, in the driver's thread."""
        if self._saver is not None:
            self._saver.put(self.chat.driver.trace_of(episode), running=True)

    def _ended(self, trace: Trace) -> None:
        """Take the trace, in the driver's thread."""
        self._over = True
        self.chat.metrics.ended(trace)
        if self._saver is not None:
            self._saver.put(trace, running=False)
        self._send(trace)

    def _send(self, one: Event) -> None:
        # The server's loop has ended where it raises: no client is left.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.put_nowait, one)


class _Watch:
    """Notices that the client leaves. An async context manager."""

    def __init__(self, receive: Receive):
        self._task = asyncio.ensure_future(self._left(receive))

    async def first(self, other: Any) -> Any:
        """Return the other's result, None if the client left before."""
        task = asyncio.ensure_future(other)
        await asyncio.wait({task, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        return None

    @staticmethod
    async def _left(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def __aenter__(self) -> "_Watch":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()


class _Stream(Response):
    """The response as server-sent events; an error before the first of them has its status."""

    def __init__(self, episode: _Running):
        self._episode = episode
        self._started = False
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chat = self._episode.chat
        with self._episode.attended():
            async with _Watch(receive) as watch:
                done = await watch.first(self._all(scope, receive, send))
        chat.metrics.answered(499 if done is None else done)

    async def _all(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Send everything; return the HTTP status."""
        episode = self._episode
        async for frame in _frames(episode):
            if isinstance(frame, Failed):
                if not self._started:
                    await JSONResponse(frame.json, frame.status)(scope, receive, send)
                    return frame.status
                frame = event(frame.json) + b"data: [DONE]\n\n"
            if not self._started:
                await self._start(send)
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return 200

    async def _start(self, send: Send) -> None:
        self._started = True
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _frames(episode: _Running) -> AsyncIterator[bytes | Failed]:
    """Yield an episode's server-sent events, or how it failed."""
    reply, turn = episode.reply, episode.turn
    answer, thoughts = AnswerStream(turn.request.stops), _Thoughts()
    shows = episode.chat.served.show_thoughts
    begun = False
    async for found in episode.events():
        delta: dict[str, Any] = {}
        if found is None:
            yield b": working\n\n"
        elif isinstance(found, Trace):
            made = outcome(turn, found, episode.chat.memory)
            if isinstance(made, Failed):
                yield made
                return
            if made.call is not None:
                delta["tool_calls"] = [{"index": 0, **made.call}]
            elif made.refusal is not None:
                delta["refusal"] = made.refusal
            elif rest := answer.rest(made.content or ""):
                delta["content"] = rest
            if not begun:
                delta = {"role": "assistant", "content": None, **delta}
            if delta:
                yield reply.chunk(delta)
            yield reply.chunk({}, made.finish_reason)
            yield reply.last(found)
        else:
            who, text = found
            if who == "summarizer":
                if out := answer.add(text):
                    delta["content"] = out
            elif shows and (out := thoughts.add(who, text)):
                delta["reasoning_content"] = out
            if delta:
                if not begun:
                    delta = {"role": "assistant", **delta}
                begun = True
                yield reply.chunk(delta)


class _Thoughts:
    """Thoughts and tool turns as they are written, a line each."""

    def __init__(self) -> None:
        self._who = ""
        self._ended = False

    def add(self, who: str, text: str) -> str:
        """Return what to show of a further stretch: of a plan only its thought."""
        new = who != self._who
        line = "\n" if new and self._who else ""
        if new:
            self._who, self._ended = who, False
        if who == "planner":
            if self._ended:
                return ""
            text, mark, _ = text.partition("\n")
            self._ended = bool(mark)
        return line + text
