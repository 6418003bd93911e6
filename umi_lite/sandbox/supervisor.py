"""The process between the host and the programs: forks a worker for each and watches it.

`host.py` starts it as `python -I -S` with an empty environment; it holds no secret and runs only
this loop. Its control socket delivers a file descriptor per connection; a connection delivers
requests, and each gets a reply. Verdicts rest on waitpid and on clocks.
"""

import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from umi_lite.sandbox import confine, landlock, libc, macos, probe, seccomp, worker
from umi_lite.sandbox.connection import Connection
from umi_lite.sandbox.pool import WorkerPool

# Whatever loads a shared library has to be here: a worker can read no other folder than the
# standard library's.
_MODULES = """
abc argparse array base64 binascii bisect bz2 calendar cmath codecs collections.abc colorsys
concurrent.futures.thread contextlib copy csv ctypes dataclasses datetime decimal difflib dis enum
fractions functools graphlib hashlib heapq hmac inspect io itertools json keyword locale logging
lzma math mmap numbers operator pickle platform pprint queue random re sched secrets select
selectors shlex signal socket sqlite3 statistics string struct subprocess tempfile textwrap
threading time timeit traceback types typing unicodedata unittest uuid warnings weakref
xml.etree.ElementTree zipfile zlib zoneinfo _posixshmem
"""

_SYMPY = """
from sympy import *
x, y, n = symbols("x y n")
solve(x**2 - 5*x + 6, x); solve([x + y - 3, x - y - 1], [x, y]); solveset(sin(x) - 1, x)
simplify((x**2 - 1) / (x - 1)); factor(x**3 - 1); expand((x + y)**4); apart(1 / (x**2 - 1))
integrate(x * exp(x), x); integrate(x**2, (x, 0, 1)); diff(sin(x) * x, x); limit(sin(x) / x, x, 0)
series(cos(x), x, 0, 6); summation(1 / n**2, (n, 1, oo)); Matrix([[1, 2], [3, 4]]).inv().det()
factorint(360); gcd(84, 36); binomial(10, 3); nsimplify("0.25"); sqrt(8) + Rational(1, 3)
N(pi, 30); sympify("2*x + 1"); latex(x / y); str(Eq(x, y)); isprime(97); solve(x > 2, x)
"""


def warm(packages: Sequence[str], folder: str | None) -> None:
    """Import the standard library's usual modules, and the packages in `folder`.

    sympy also solves something, so that what it loads and caches late is loaded.
    """
    for name in _MODULES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if folder is not None:
        sys.path.append(folder)
        for name in packages:
            importlib.import_module(name)
        if "sympy" in packages:
            exec(_SYMPY, {})
        sys.path.remove(folder)
        # Else that folder's finder would still be used.
        sys.path_importer_cache.pop(folder, None)
    gc.collect()
    gc.freeze()


_TICK_MS = 50
_MOST_AT_ONCE = 32
_PROBED_WITH = {"memory_mib": 512, "open_files": 64, "cpu_seconds": 5.0, "session": False}

Confined = Callable[[dict[str, Any]], None]


def main(settings: str) -> None:
    """Set up and report on the control socket, then serve it until the host is gone.

    Args:
        settings: JSON: `control` and `host` (file descriptors, host -1: none), `level`, `user`
            (the id that root switches to), `packages` and the `folder` that holds them,
            `readable` (paths).
    """
    given = json.loads(settings)
    # A worker inherits the memory and must not find the machine's paths in it.
    del settings, sys.argv[1:], sys.orig_argv[1:]
    os.environ.clear()  # bubblewrap sets PWD, the interpreter LC_CTYPE
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = socket.socket(fileno=fcntl.fcntl(given["control"], fcntl.F_DUPFD_CLOEXEC, 8))
    host = fcntl.fcntl(given["host"], fcntl.F_DUPFD_CLOEXEC, 8) if given["host"] >= 0 else None
    _only_keep(control.fileno(), host)
    os.chdir("/")
    if os.geteuid() == 0 and given["level"] == "standard":
        with contextlib.suppress(OSError):  # what cannot be read is reported below
            confine.show(given["readable"])
    ruleset, missing = None, _drop_root(given["user"])
    if given["level"] == "full":
        # The parent is bubblewrap. (With the host as parent the signal would come at the end of
        # the thread that started this process. As root, bubblewrap may not send the signal; then
        # this process ends when the host finds bubblewrap dead, at its next call.)
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not missing:
        ruleset, missing = _confinement(given["level"], given["readable"])
    confined = functools.partial(_confine, given["level"], ruleset)
    if not missing and given["level"] != "none":
        missing = probe.breaches(functools.partial(_probed, os.getpid(), confined))
    control.send(json.dumps({"missing": missing}).encode())
    if not missing and _called(control, host):
        warm(given["packages"], given["folder"])
        _serve(control, host, confined)


def _only_keep(control: int, host: int | None) -> None:
    """Close all descriptors but 0 to 2 and these; occupy the numbers that a worker uses."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (worker.COMMANDS, worker.CLAIMS, worker.RULESET):
        if number != null:
            os.dup2(null, number, inheritable=False)
    kept = {control, host}
    for end in range(worker.RULESET + 1, 256):
        if end not in kept:
            with contextlib.suppress(OSError):
                os.close(end)


def _drop_root(user: int) -> list[str]:
    """Drop to an unprivileged user; return what prevents it."""
    try:
        if os.geteuid() == 0:
            confine.drop_root(user)
        if sys.platform == "linux":
            libc.prctl(libc.PR_SET_DUMPABLE, 0)
            libc.one_malloc_arena()
    except OSError as err:
        return [f"an unprivileged user: {err}"]
    library = os.path.dirname(os.__file__)
    if not os.access(library, os.R_OK | os.X_OK):
        return [f"read access to {library} for user {user}, to which root switches here"]
    return []


def _confinement(level: str, readable: Sequence[str]) -> tuple[int | None, list[str]]:
    """Return the Landlock ruleset, and what the machine lacks."""
    if level in ("none", "macos"):
        return None, []
    if not seccomp.supported():
        return None, [f"a table of system calls for {os.uname().machine}"]
    if landlock.version() == 0:
        return None, ["Landlock (Linux 5.13 or later, switched on)"]
    ruleset = landlock.readable_only(readable)
    os.dup2(ruleset, worker.RULESET, inheritable=False)
    os.close(ruleset)
    return worker.RULESET, []


def _confine(level: str, ruleset: int | None, limits: dict[str, Any]) -> None:
    """Confine a worker, in its own process."""
    if sys.platform == "linux":
        confine.limit(limits)
    if not limits["session"]:
        confine.limit_cpu(limits["cpu_seconds"])
    if ruleset is not None:
        confine.enter(ruleset)
        return
    libc.close_from(5)
    if level == "macos":
        macos.enter(limits)


def _probed(parent: int, confined: Confined) -> None:
    """Confine the probe's child, in its own process."""
    if sys.platform == "linux":
        confine.die_with(parent)
    confined(_PROBED_WITH)


def _called(control: socket.socket, host: int | None) -> bool:
    """Wait for the first connection; False if the host is gone.

    Until then no package is imported: sympy takes a core 0.7 s, and many episodes run no program.
    """
    poll = select.poll()
    for end in (control.fileno(), *(() if host is None else (host,))):
        poll.register(end, select.POLLIN)
    return all(end != host and not events & ~select.POLLIN for end, events in poll.poll())


def _serve(control: socket.socket, host: int | None, confined: Confined) -> None:
    """Serve until the host is gone; then the kernel kills the workers with this process."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, _woken)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    connections: list[Connection] = []
    pool = WorkerPool(confined)
    while True:
        pool.refill()
        owners = {end: connection for connection in connections for end in connection.interests()}
        poll = select.poll()
        for connection in connections:
            for end, events in connection.interests().items():
                poll.register(end, events)
        busy = sum(connection.running for connection in connections)
        for end in (woken, *(() if host is None else (host,))):
            poll.register(end, select.POLLIN)
        # When this many run, further connections wait in the socket.
        poll.register(control, select.POLLIN if busy < _MOST_AT_ONCE else 0)
        for end, events in poll.poll(_TICK_MS if busy else None):
            if end == host or (end == control.fileno() and events & ~select.POLLIN):
                return
            if end == control.fileno():
                if (accepted := _accepted(control)) is None:
                    return
                connections.append(Connection(accepted, pool))
            elif end == woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                for connection in connections:
                    connection.reap()
            elif end in (connection := owners[end]).interests():
                connection.ready(end, events)
        for connection in connections:
            connection.check_clocks()
            if not connection.open:
                connection.close()
        connections = [connection for connection in connections if connection.open]


def _woken(*_: object) -> None:
    """Do nothing: with a handler the signal is not ignored and wakes the loop by its descriptor."""


def _accepted(control: socket.socket) -> socket.socket | None:
    data, ends, _, _ = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=ends[0]) if data and ends else None
