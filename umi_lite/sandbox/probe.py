"""A check that confinement works here: a confined child tries what must fail."""

import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any

from umi_lite.sandbox import libc

_UNSHARE_USER = 0x10000000
_DONE = "done"


def _open_for_reading() -> None:
    os.close(os.open("/etc/passwd", os.O_RDONLY))


def _create_a_file() -> None:
    name = f"/tmp/umi-lite-probe-{os.getpid()}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(name)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _raise_a_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))


_ATTEMPTS: dict[str, Callable[[], Any]] = {
    "read /etc/passwd": _open_for_reading,
    "list /": lambda: os.listdir("/"),
    "create a file": _create_a_file,
    "open a socket": lambda: socket.socket().close(),
    "start a process": _fork,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "signal another process": lambda: os.kill(os.getppid(), 0),
    "change a limit": _raise_a_limit,
    "outlive the supervisor": lambda: libc.prctl(libc.PR_SET_PDEATHSIG, 0),
    "become dumpable": lambda: libc.prctl(libc.PR_SET_DUMPABLE, 1),
    "make a user namespace": lambda: libc.unshare(_UNSHARE_USER),
}


def breaches(confine: Callable[[], None]) -> list[str]:
    """Confine a child process, try everything in it, and return what got through.

    Args:
        confine: confines the process that calls it.

    Returns:
        What must not work and did, or why the child could not be confined; empty if it holds.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.set_wakeup_fd(-1)
            _report(writer, confine)
        finally:
            os._exit(1)
    os.close(writer)
    report = b""
    while data := os.read(reader, 4096):
        report += data
    os.close(reader)
    _, status = os.waitpid(child, 0)
    *found, last = report.decode("utf-8", "replace").splitlines() or [""]
    if status != 0 or last != _DONE:
        return [*found, f"the probe ended too early, with status {status}"]
    return found


def _report(writer: int, confine: Callable[[], None]) -> None:
    os.dup2(writer, 4)  # what stays open in a worker
    try:
        confine()
    except OSError as err:
        os.write(4, f"not available: {err}\n{_DONE}\n".encode())
        os._exit(0)
    through = [name for name, attempt in _ATTEMPTS.items() if _works(attempt)]
    os.write(4, "".join(f"{name}\n" for name in [*through, _DONE]).encode())
    os._exit(0)


def _works(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except (OSError, ValueError):  # setrlimit's EPERM is a ValueError
        return False
    return True
