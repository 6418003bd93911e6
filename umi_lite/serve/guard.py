"""Who may ask: a token, or a local page and program only."""

import base64
import hmac
import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from umi_lite.serve.errors import error_json

# What a load balancer asks for, without a token.
_OPEN = {"/health"}
_LOCAL = {"localhost", "localhost.localdomain"}


class Guard:
    """An ASGI middleware that refuses requests without the token, or from another site's page.

    Without a token the name in `Host` must be of this machine: a page elsewhere could otherwise
    reach it by a name of its own that leads here (DNS rebinding).

    Args:
        token: compared in constant time; None needs none.
        origins: sites whose pages may ask, besides the server's own.
    """

    def __init__(self, app: ASGIApp, token: str | None, origins: Collection[str] = ()):
        self._app = app
        self._token = None if token is None else token.encode()
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refusal(scope)) is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._token is None and not is_local(_name(host)):
            return _refused(403, f"host {host!r} is not this machine; a token allows other names")
        own = {f"http://{host}", f"https://{host}"}
        if origin is not None and origin not in own | self._origins:
            return _refused(403, f"pages of {origin} may not ask; --cors-origin allows a site")
        if scope["path"] in _OPEN or scope["method"] == "OPTIONS" or self._token is None:
            return None
        if hmac.compare_digest(_given(headers.get("authorization", "")), self._token):
            return None
        refused = _refused(401, "no token, or not the right one: Authorization: Bearer TOKEN")
        # A browser asks for a name and a password: any name, and the token.
        refused.headers["WWW-Authenticate"] = 'Basic realm="umi", charset="UTF-8"'
        return refused


def is_local(name: str) -> bool:
    """True if a host's name or address is this machine's own, which no other machine reaches."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() in _LOCAL


def _name(host: str) -> str:
    """Return the name of a `Host` header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _given(authorization: str) -> bytes:
    """Return the token of an `Authorization` header, the password if it is Basic."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode("latin-1")  # as starlette has decoded it
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except ValueError:  # not base64, or not ASCII
            return b""
    return b""


def _refused(status: int, message: str) -> Response:
    return JSONResponse(error_json(message, status), status)
