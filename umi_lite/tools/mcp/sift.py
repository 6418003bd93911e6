"""Leaves single tools out of a server's listing where the SDK would refuse the whole of it."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, cast

from mcp_types import JSONRPCResponse
from mcp_types.methods import validate_server_result
from pydantic import ValidationError

from umi_lite.errors import first_error

_MOST = 100
_NAME = 100


class Sift:
    """Looks at each message of a server before the SDK does.

    Attributes:
        version: the protocol's, once it is negotiated; until then nothing is left out.
        left_out: names of tools, cut to 100 characters, with the reasons; the first 100.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self.left_out: dict[str, str] = {}

    @asynccontextmanager
    async def over(self, transport: AbstractAsyncContextManager[Any]) -> AsyncGenerator[Any]:
        """Yield the transport's streams, the one from the server sifted."""
        async with transport as (read, write):
            yield _Sifted(read, self), write

    def look(self, item: Any) -> None:
        """Take what is not a tool out of a listing."""
        message = getattr(item, "message", None)
        if self.version is None or not isinstance(message, JSONRPCResponse):
            return
        tools = message.result.get("tools")
        if isinstance(tools, list):
            entries = cast("list[Any]", tools)
            kept = [entry for entry in entries if self._fits(entry, message.result)]
            message.result["tools"] = kept

    def _fits(self, entry: Any, result: dict[str, Any]) -> bool:
        assert self.version is not None
        try:
            validate_server_result("tools/list", self.version, {**result, "tools": [entry]})
        except ValidationError as err:
            reason = first_error(err).removeprefix("tools.0.")
        except KeyError:
            return True
        else:
            return True
        about: dict[str, Any] = cast("Any", entry) if isinstance(entry, dict) else {}
        if len(self.left_out) < _MOST:
            self.left_out[str(about.get("name"))[:_NAME]] = reason
        return False


class _Sifted:
    """A stream of messages, each looked at. It has all that the SDK asks of a stream."""

    def __init__(self, stream: Any, sift: Sift):
        self._stream = stream
        self._sift = sift

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        item = await self._stream.receive()
        self._sift.look(item)
        return item

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        item = await self._stream.__anext__()
        self._sift.look(item)
        return item

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._stream.__aexit__(*raised)
