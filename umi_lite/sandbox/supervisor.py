"""The process between the host and the programs: forks a leaf for each, watches, judges.

Started by `host.py` as `python -I -S` with an empty environment; it holds no secret and does
no more than this loop. Over its control socket comes a file descriptor for each conversation;
over a conversation come requests, and a reply goes back to each. The verdicts rest on
waitpid and on clocks.
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
from umi_lite.sandbox.conversation import Conversation
from umi_lite.sandbox.pool import Nursery

# What loads a shared library has to be here: a leaf can read the standard library's folder,
# no other.
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
    """Import the standard library's usual modules, and packages that lie in `folder`.

    sympy also solves something, so that what it loads and caches late is there.
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
        # Else the finder of that folder would still be asked.
        sys.path_importer_cache.pop(folder, None)
    gc.collect()
    gc.freeze()


_TICK_MS = 50
_MOST_AT_ONCE = 32
_PROBED_WITH = {"memory_mib": 512, "open_files": 64, "cpu_seconds": 5.0, "session": False}

Confined = Callable[[dict[str, Any]], None]


def main(settings: str) -> None:
    """Set up and report on the control socket, then serve it until the host goes.

    Args:
        settings: JSON: `control` and `host` (file descriptors, host -1: none), `level`, `user`
            (whom root becomes), `packages` and the `folder` they lie in, `readable` (paths).
    """
    told = json.loads(settings)
    # A leaf inherits the memory: the paths of the machine are no business of its.
    del settings, sys.argv[1:], sys.orig_argv[1:]
    os.environ.clear()  # bubblewrap sets PWD, the interpreter LC_CTYPE
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = socket.socket(fileno=fcntl.fcntl(told["control"], fcntl.F_DUPFD_CLOEXEC, 8))
    host = fcntl.fcntl(told["host"], fcntl.F_DUPFD_CLOEXEC, 8) if told["host"] >= 0 else None
    _only_keep(control.fileno(), host)
    os.chdir("/")
    if os.geteuid() == 0 and told["level"] == "standard":
        with contextlib.suppress(OSError):  # what cannot be read is told below
            confine.show(told["readable"])
    ruleset, missing = None, _drop_root(told["user"])
    if told["level"] == "full":
        # Our parent is bubblewrap. (The host is no such parent: the signal would come at the end
        # of the thread that started us. As root, bubblewrap has no right to signal us; then we
        # end when the host finds it dead, at its next call.)
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not missing:
        warm(told["packages"], told["folder"])
        ruleset, missing = _confinement(told["level"], told["readable"])
    confined = functools.partial(_confine, told["level"], ruleset)
    if not missing and told["level"] != "none":
        missing = probe.breaches(functools.partial(_probed, os.getpid(), confined))
    control.send(json.dumps({"missing": missing}).encode())
    if not missing:
        _serve(control, host, confined)


def _only_keep(control: int, host: int | None) -> None:
    """Close all but 0 to 2 and ours; what a leaf keeps has its place taken."""
    null = os.open(os.devnull, os.O_RDWR)
    for place in (
        leaf_end
        for leaf_end in (worker.COMMANDS, worker.CLAIMS, worker.RULESET)
        if leaf_end != null
    ):
        os.dup2(null, place, inheritable=False)
    kept = {control, host}
    for end in range(worker.RULESET + 1, 256):
        if end not in kept:
            with contextlib.suppress(OSError):
                os.close(end)


def _drop_root(user: int) -> list[str]:
    """Whatever we were, be nobody of importance; what stands against it."""
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
        return [f"read access to {library} for user {user}, whom root becomes here"]
    return []


def _confinement(level: str, readable: Sequence[str]) -> tuple[int | None, list[str]]:
    """The Landlock ruleset, and what the machine lacks."""
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
    """In a leaf."""
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
    """In the probe's child."""
    if sys.platform == "linux":
        confine.die_with(parent)
    confined(_PROBED_WITH)


def _serve(control: socket.socket, host: int | None, confined: Confined) -> None:
    """Until the host goes; then the leaves are killed by the kernel, with us."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, _woken)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    conversations: list[Conversation] = []
    nursery = Nursery(confined)
    while True:
        nursery.refill()
        owners = {end: talk for talk in conversations for end in talk.interests()}
        poll = select.poll()
        for talk in conversations:
            for end, events in talk.interests().items():
                poll.register(end, events)
        busy = sum(talk.running for talk in conversations)
        for end in (woken, *(() if host is None else (host,))):
            poll.register(end, select.POLLIN)
        # Above so many at once, further ones wait in the socket.
        poll.register(control, select.POLLIN if busy < _MOST_AT_ONCE else 0)
        for end, events in poll.poll(_TICK_MS if busy else None):
            if end == host or (end == control.fileno() and events & ~select.POLLIN):
                return
            if end == control.fileno():
                if (ours := _accepted(control)) is None:
                    return
                conversations.append(Conversation(ours, nursery))
            elif end == woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                for talk in conversations:
                    talk.reap()
            elif end in (talk := owners[end]).interests():
                talk.ready(end, events)
        for talk in conversations:
            talk.check_clocks()
            if not talk.open:
                talk.close()
        conversations = [talk for talk in conversations if talk.open]


def _woken(*_: object) -> None:
    """A handler, so that the signal is not ignored: it wakes the loop by its file descriptor."""


def _accepted(control: socket.socket) -> socket.socket | None:
    data, ends, _, _ = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=ends[0]) if data and ends else None
