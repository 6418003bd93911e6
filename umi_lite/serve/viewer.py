"""The viewer's routes (the page, traces as JSON, an event per change), and a server of them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING

from umi_lite.errors import UserError
from umi_lite.serve.page import live_page, live_policy
from umi_lite.serve.query import Entry, Query
from umi_lite.serve.store import TraceStore

if TYPE_CHECKING:
    from starlette.routing import Route

_POLL = 0.25  # seconds
_ALIVE = 15.0  # seconds between signs of life, which find connections that are gone
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_MOST = 10_000  # traces in a list


def viewer_routes(store: TraceStore, ended: Callable[[], bool] = lambda: False) -> "list[Route]":
    """Return routes for `/`, `/api/traces`, `/api/traces/ID` and `/api/events`.

    They have no access check of their own: the application has it.

    Args:
        ended: True once the server is being stopped, which ends the streams of events.

    Raises:
        UserError: starlette is not installed.
    """
    try:
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
        from starlette.routing import Route
    except ImportError:
        raise UserError("the viewer needs starlette: pip install 'umi-lite[serve]'") from None

    def refused(err: UserError, status: int) -> Response:
        return JSONResponse({"error": str(err)}, status, headers=_HEADERS)

    async def page(request: Request) -> Response:
        return HTMLResponse(
            live_page(), headers=_HEADERS | {"Content-Security-Policy": live_policy()}
        )

    async def traces(request: Request) -> Response:
        try:
            query = _query(request.query_params)
        except ValueError as err:
            return refused(UserError(f"a number is not one: {err}"), 400)
        try:
            found = await run_in_threadpool(store.list, query)
        except UserError as err:
            return refused(err, 500)
        return JSONResponse([asdict(entry) for entry in found], headers=_HEADERS)

    async def one(request: Request) -> Response:
        try:
            text = await run_in_threadpool(store.json, request.path_params["ident"])
        except UserError as err:
            return refused(err, 404)
        return Response(text, media_type="application/json", headers=_HEADERS)

    async def events(request: Request) -> Response:
        try:
            first = await run_in_threadpool(store.newest)
        except UserError as err:
            return refused(err, 500)

        async def stream() -> AsyncIterator[str]:
            last, quiet = first, 0.0
            yield "retry: 1000\n\n"
            while not ended():
                await asyncio.sleep(_POLL)
                last, changed = await run_in_threadpool(_changed, store, last)
                quiet = 0.0 if changed else quiet + _POLL
                if changed:
                    data = json.dumps([asdict(entry) for entry in changed])
                    yield f"event: traces\ndata: {data}\n\n"
                elif quiet >= _ALIVE:
                    quiet = 0.0
                    yield ": alive\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers=_HEADERS)

    return [
        Route("/", page),
        Route("/api/traces", traces),
        Route("/api/traces/{ident:path}", one),
        Route("/api/events", events),
    ]


def _query(given: Mapping[str, str]) -> Query:
    """Return the query of an address.

    Raises:
        ValueError: a number that is not one.
    """
    return Query(
        words=given.get("words", ""),
        tool=given.get("tool") or None,
        failed=given.get("failed") == "1",
        since=float(given["since"]) if given.get("since") else None,
        most=_MOST,
    )


def _changed(store: TraceStore, last: int) -> tuple[int, list[Entry]]:
    """Return the newest change, and what was saved after `last`, oldest first.

    There is nothing new while the store cannot be read. One that was deleted counts from 1 again.
    """
    try:
        now = store.newest()
        if now == last:
            return last, []
        return now, store.list(Query(after=last if now > last else 0))[::-1]
    except UserError:
        return last, []


def view(store: TraceStore, port: int, ready: Callable[[str], None]) -> None:
    """Serve the viewer to this machine alone, until Ctrl-C.

    Args:
        port: 0 is a free one.
        ready: called with the address.

    Raises:
        UserError: the port is taken, or starlette or uvicorn is not installed.
    """
    stopping = [False]
    routes = viewer_routes(store, lambda: stopping[0])
    try:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError:
        raise UserError("the viewer needs uvicorn: pip install 'umi-lite[serve]'") from None

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            stopping[0] = True
            super().handle_exit(sig, frame)

    # A page of another site that names this machine (DNS rebinding) is refused.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    config = uvicorn.Config(
        Starlette(routes=routes, middleware=[hosts]),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError as err:
            raise UserError(f"port {port} cannot be used: {err.strerror or err}") from None
        ready(f"http://127.0.0.1:{sock.getsockname()[1]}/")
        Server(config).run(sockets=[sock])
