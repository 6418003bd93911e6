"""Tool results: the outcome of an `async def`, and results as text.

A str is passed unchanged, anything else as JSON on one line.
"""

import contextvars
import dataclasses
import enum
import inspect
import itertools
import json
import math
import re
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from datetime import date, time
from typing import Any, cast

_as_text = json.JSONEncoder(ensure_ascii=False).encode
# The limit for endless generators; an observation is cut far below it.
_MOST_ITEMS = 10_000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def result_text(result: Any) -> str:
    """Return a tool's result as text. Never raises: the tool has already run.

    What JSON cannot hold is written as the nearest that it can: sets and generators as lists,
    dataclasses and models as objects, dates in ISO format, NaN as "NaN", the rest as `str`.
    """
    try:
        value = result if isinstance(result, str) else _as_json(result)
        text = value if isinstance(value, str) else _as_text(value)
    except Exception:  # a cycle, a number too long to write, a property that raises
        text = _shown(result)
    # Half a surrogate pair could be neither tokenized nor written to a trace.
    return text.encode("utf-8", "replace").decode()


def _as_json(value: Any) -> Any:
    """Return the nearest that JSON can hold."""
    if isinstance(value, enum.Enum):
        return _as_json(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[str(value)]
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, bytes | bytearray):
        return _bytes_text(bytes(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if hasattr(value, "tolist"):  # arrays and scalars of numpy, torch, pandas
        return _as_json(value.tolist())
    fields = _fields(value)
    if fields is not None:
        return {_key(key): _as_json(item) for key, item in fields.items()}
    if not isinstance(value, Collection | Iterator):
        return _shown(value)
    items = cast("Iterable[Any]", value)
    made = [_as_json(item) for item in itertools.islice(items, _MOST_ITEMS)]
    return _sorted(made) if isinstance(value, set | frozenset) else made


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _fields(value: Any) -> dict[Any, Any] | None:
    """Return what a mapping, model or dataclass holds by name; None where it is not one."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        names: list[Any] = list(value.keys())  # a row of sqlite3 iterates over its values
        return {name: value[name] for name in names}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _key(key: Any) -> Any:
    if key is None or isinstance(key, str | int):
        return key
    made = _as_json(key)
    return made if isinstance(made, str | float) else _as_text(made)


def _sorted(items: list[Any]) -> list[Any]:
    """Return a set's items in an order that is the same in every process."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=_as_text)


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"<{len(value)} bytes that are not text>"


def _shown(value: Any) -> str:
    """Return `str(value)` without a memory address; the type's name where `str` raises."""
    try:
        return _ADDRESS.sub("", str(value))
    except Exception:
        return f"<{type(value).__name__}>"


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
