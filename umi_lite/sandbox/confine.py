"""Confinement of a process by the kernel, irrevocably (Linux).

The order matters: the parent-death signal and the limits first, then no_new_privs, without which
an ordinary process may not use the next two, then Landlock, then seccomp, which takes away the
calls that did it.
"""

import os
import resource
import signal
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from umi_lite.sandbox import landlock, libc, seccomp

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18


def show(paths: Iterable[str]) -> None:
    """Replace each parent folder that is closed to others by one that holds only these paths.

    Raises:
        OSError: root without the right to mount, as in a container.
    """
    closed = {path: folder for path in sorted(paths) if (folder := _closed(Path(path)))}
    if not closed:
        return
    libc.unshare(_CLONE_NEWNS)
    libc.mount("none", "/", _MS_REC | _MS_PRIVATE)
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in closed}
    for folder in sorted(set(closed.values())):
        libc.mount("tmpfs", str(folder), 0, kind="tmpfs", options="mode=755")
    mask = os.umask(0o022)
    for path, opened in held.items():
        if not os.path.exists(path):  # else a folder above it is here already
            if stat.S_ISDIR(os.fstat(opened).st_mode):
                os.makedirs(path)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.close(os.open(path, os.O_CREAT, 0o644))
            libc.mount(f"/proc/self/fd/{opened}", path, _MS_BIND | _MS_REC)
        os.close(opened)
    os.umask(mask)


def _closed(path: Path) -> Path | None:
    """Return the outermost folder on the way to `path` that others cannot enter, or None."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH and folder.is_dir():
            return folder
    return None


_MIB = 1 << 20
_STACK = 8 * _MIB
_THREADS = 64


def drop_root(user: int) -> None:
    """Become this user and group, irrevocably.

    Raises:
        OSError: the kernel refused, or root could be regained.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    try:
        os.setuid(0)
    except OSError:
        return
    raise PermissionError("root can be regained")


def die_with(parent: int) -> None:
    """Ask to be killed when the parent dies; exit at once if it already has."""
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def limit(limits: dict[str, Any]) -> None:
    """Set soft and hard limits to the same values, so that they cannot be raised again.

    The limit on processes counts a user's threads on the whole machine, so it is set relative to
    the current number.
    """
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NICE, 0),
        (resource.RLIMIT_RTPRIO, 0),
        (resource.RLIMIT_STACK, _STACK),
        (resource.RLIMIT_AS, limits["memory_mib"] * _MIB),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, libc.thread_count() + _THREADS),
    ):
        # Keep a hard limit that is already lower.
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def limit_cpu(seconds: float) -> None:
    """Set a backstop to the supervisor's clock: the kernel kills a second or two later."""
    bound = int(seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (bound, bound))


def enter(ruleset: int) -> None:
    """Apply no_new_privs, Landlock and seccomp; close all descriptors but a worker's own.

    Raises:
        OSError: one of them is not available; the process must not run a program.
    """
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(ruleset)
    libc.close_from(5)
    seccomp.enter(os.getpid())
