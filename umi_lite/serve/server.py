"""`umi serve`: a bundle opened for many clients, until a signal ends it."""

import hashlib
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from umi_lite.bundle.open import open_roles
from umi_lite.console import dim
from umi_lite.data.toolsets import open_tools
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, View
from umi_lite.sandbox.python import sandbox
from umi_lite.serve.app import MAX_BODY, make_app
from umi_lite.serve.driver import Driver
from umi_lite.serve.guard import is_local
from umi_lite.serve.store import TraceStore
from umi_lite.serve.turn import Served
from umi_lite.serve.viewer import viewer_routes
from umi_lite.tools.tools import Toolbox

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Overrides
    from umi_lite.tools.mcp.servers import McpServers

# Connections that the kernel keeps until they are accepted: uvicorn's own number.
_BACKLOG = 2048
_SHORTEST_TOKEN = 16
# Connections at once; more are answered with 503.
_CONNECTIONS = 1000


@dataclass(frozen=True)
class Access:
    """Where the server listens, and which clients it takes.

    Attributes:
        host, port: port 0 is a free one.
        token: needed unless the address is this machine's own.
        origins: sites whose pages may ask.
        max_body: bytes of a request.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    origins: tuple[str, ...] = ()
    max_body: int = MAX_BODY


@dataclass(frozen=True)
class Capacity:
    """How much runs at once, and how long a stop may take.

    Attributes:
        waiting: requests in the queue; more are answered with 429.
        tool_threads: concurrent calls of the server's tools.
        drain_seconds: that unfinished requests have after SIGTERM.
    """

    waiting: int = 16
    tool_threads: int = 4
    drain_seconds: float = 30.0


def serve(
    bundle: "Bundle",
    console: "Console",
    *,
    access: Access,
    capacity: Capacity,
    overrides: "Overrides",
    bounds: "Bounds",
    sampling: "Sampling",
    tools: str | None = None,
    mcp: "McpServers | None" = None,
    name: str | None = None,
    show_thoughts: bool = False,
    store: TraceStore | None = None,
    views: Iterable[View] = ROLES,
    elsewhere: Sequence[str] = (),
    timeout: float | None = None,
) -> None:
    """Serve a bundle until SIGTERM or Ctrl-C; a second one does not wait for open requests.

    Args:
        overrides: `slots` is how many episodes run at once.
        tools: a tool set's name or a .py file; default the bundle's, none if it names none, and
            none with `mcp`.
        mcp: servers whose tools are the server's too. What would need consent is refused.
        name: of the model, for clients; default the run's or the folder's.
        show_thoughts: send thoughts and tool turns as `reasoning_content`.
        store: keeps the traces; `/` shows them.
        views, elsewhere, timeout: see `open_roles`.

    Raises:
        UserError: an address that cannot be used, one of other machines without a token, or what
            `open_roles` refuses.
    """
    sock = listen(access)
    opened = open_tools(tools, bundle.spec.live_tools, mcp and mcp.unattended(), dim(console))
    with (
        opened if tools or bundle.spec.live_tools or mcp else nullcontext(Toolbox()) as toolbox,
        open_roles(
            bundle,
            views=views,
            elsewhere=elsewhere,
            overrides=overrides,
            timeout=timeout,
            note=dim(console),
        ) as engine,
    ):
        engine.warm()
        if sandbox().pid is not None:  # a tool of the set has started it
            sandbox().warm()
        served = Served(
            model=name or _name(bundle.path),
            engine=engine,
            toolbox=toolbox,
            bounds=bounds,
            sampling=sampling,
            fingerprint=_fingerprint(bundle.path),
            show_thoughts=show_thoughts,
        )
        driver = Driver(
            engine,
            waiting=capacity.waiting,
            tool_threads=capacity.tool_threads,
            bundle=bundle.path.name,
        )
        app = make_app(
            served,
            driver,
            token=access.token,
            origins=access.origins,
            max_body=access.max_body,
            store=store,
            routes=[] if store is None else viewer_routes(store, lambda: driver.closing),
        )
        address = _address(sock)
        try:
            sock.listen(_BACKLOG)  # who reads the address can connect
        except OSError as err:
            raise UserError(f"cannot listen on {address}: {err.strerror or err}") from None
        if store is not None:
            console.print(f"traces at {address}/", highlight=False, soft_wrap=True)
        console.print(
            f"{served.model} at {address}/v1 · {engine.slots} episodes at once, "
            f"{capacity.waiting} in the queue · {len(toolbox)} tools of the server · Ctrl-C stops",
            highlight=False,
            soft_wrap=True,
        )
        Server(app, driver, capacity.drain_seconds).run(sockets=[sock])


class Server(uvicorn.Server):
    """uvicorn's server; a signal drains the driver too, and leaves the exit code 0.

    Args:
        drain_seconds: that open requests have after the first signal.
    """

    def __init__(self, app: Starlette, driver: Driver, drain_seconds: float):
        config = uvicorn.Config(
            app,
            loop="asyncio",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            # The driver ends the episodes; this is for clients that stopped reading.
            timeout_graceful_shutdown=int(drain_seconds) + 5,
        )
        super().__init__(config)
        self._driver = driver
        self._drain_seconds = drain_seconds

    def stop(self, *_: object) -> None:
        """Take no requests and finish the open ones; called again, do not wait for them."""
        again = self.should_exit
        self.should_exit, self.force_exit = True, again
        self._driver.drain(0 if again else self._drain_seconds)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; uvicorn calls it, and would raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGTERM, signal.SIGINT)
        before = {one: signal.signal(one, self.stop) for one in signals}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def listen(access: Access) -> socket.socket:
    """Return a socket that is bound, but does not listen yet.

    Raises:
        UserError: the address is unknown, taken, or reachable from other machines without a token.
    """
    if access.token is not None and len(access.token) < _SHORTEST_TOKEN:
        raise UserError(f"the token has fewer than {_SHORTEST_TOKEN} characters")
    try:
        found = socket.getaddrinfo(
            access.host, access.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, place = found[0]
        if access.token is None and not is_local(str(place[0])):
            raise UserError(
                f"--host {access.host} can be reached from other machines: set UMI_SERVE_TOKEN, or "
                "give --token-file"
            )
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
    except OSError as err:
        where = f"{access.host}:{access.port}"
        raise UserError(f"cannot listen on {where}: {err.strerror or err}") from None
    return sock


def read_token(file: Path | None) -> str | None:
    """Return the token of a file, else of UMI_SERVE_TOKEN, None without either.

    Raises:
        UserError: the file cannot be read.
    """
    if file is None:
        return os.environ.get("UMI_SERVE_TOKEN") or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        why = err.strerror if isinstance(err, OSError) else "not UTF-8 text"
        raise UserError(f"--token-file {file}: {why}") from None


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _name(folder: Path) -> str:
    """Return the name of a bundle's folder, of its run if it is a run's."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "bundle" else folder.name


def _fingerprint(folder: Path) -> str:
    manifest = (folder / "bundle.json").read_bytes()
    return f"fp_{hashlib.sha256(manifest).hexdigest()[:12]}"
