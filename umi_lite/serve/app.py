"""The server's routes; the one place where further ones and a store for traces are added."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from umi_lite.serve.chat import Chat
from umi_lite.serve.driver import Driver
from umi_lite.serve.errors import error_json
from umi_lite.serve.guard import Guard
from umi_lite.serve.memory import Memory
from umi_lite.serve.metrics import Metrics
from umi_lite.serve.saver import Saver, Store
from umi_lite.serve.turn import Served

MAX_BODY = 4 << 20


def make_app(
    served: Served,
    driver: Driver,
    *,
    token: str | None = None,
    origins: Collection[str] = (),
    max_body: int = MAX_BODY,
    store: Store | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the server as an ASGI application; its lifespan starts and stops the driver.

    Args:
        token: that requests need, None for none.
        origins: sites whose pages may ask (CORS), besides the server's own.
        max_body: bytes of a request's body, default 4 MiB.
        store: keeps the traces, of running episodes too, after each step.
        routes: further ones, e.g. of pages that show the store.
    """
    metrics, began = Metrics(driver), int(time.time())
    saver = None if store is None else Saver(store)
    model = {"id": served.model, "object": "model", "created": began, "owned_by": "umi_lite"}

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [model]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name == served.model:
            return JSONResponse(model)
        message = f"unknown model {name!r}; {served.model!r} is served here"
        return JSONResponse(error_json(message, 404, param="model", code="model_not_found"), 404)

    async def health(_: Request) -> Response:
        problem = driver.failure or ("stopping" if driver.closing else None)
        body = {"status": "ok" if problem is None else problem, "slots": driver.slots}
        body |= {"running": driver.running, "waiting": driver.waiting}
        return JSONResponse(body, 200 if problem is None else 503)

    async def measured(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def unknown(request: Request, _: Exception) -> Response:
        message = f"{request.method} {request.url.path}: no such address here"
        return JSONResponse(error_json(message, 404), 404)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        driver.start()
        if saver is not None:
            saver.start()
        try:
            yield
        finally:
            driver.stop()
            if saver is not None:
                saver.stop()

    # Outermost first: CORS answers a browser's question before the token is asked for.
    cors = Middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"]
    )
    return Starlette(
        routes=[
            Route(
                "/v1/chat/completions",
                Chat(served, driver, metrics, max_body, saver, Memory()).__call__,
                methods=["POST"],
            ),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", one_model),
            Route("/health", health),
            Route("/metrics", measured),
            *routes,
        ],
        middleware=[*([cors] if origins else []), Middleware(Guard, token, origins)],
        exception_handlers={404: unknown, 405: unknown},
        lifespan=lifespan,
    )
