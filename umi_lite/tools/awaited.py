"""What an `async def` comes to, for a caller that is not one."""

import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any


def awaited(result: Any) -> Any:
    """Return an awaitable's result, an async generator's items, and anything else unchanged.

    Where this thread already runs an event loop, as in a notebook, another thread runs it.
    """
    if inspect.isasyncgen(result):
        generator = result

        async def all_items() -> list[Any]:
            return [item async for item in generator]

        result = all_items()
    if not inspect.isawaitable(result):
        return result
    import asyncio

    waited: Awaitable[Any] = result

    async def outcome() -> Any:
        try:
            return await waited
        except asyncio.CancelledError:
            # Not an Exception: it would end the program, not the call.
            raise RuntimeError("it was cancelled") from None

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(outcome())
    return _in_thread(lambda: asyncio.run(outcome()))


def _in_thread(work: Callable[[], Any]) -> Any:
    """Return the work's result or raise its exception; it has this thread's context variables."""
    done: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as err:
            raised.append(err)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(run,), name="umi-async-tool", daemon=True
    )
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return done[0]
