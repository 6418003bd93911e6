"""Calls of the C library that Python has no function for (Linux)."""

import ctypes
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
_M_ARENA_MAX = -8
_CLOSE_RANGE = 436  # on every architecture; since Linux 5.9


UNPRIVILEGED_ID = 60900
"""User and group id that a root host's supervisor switches to; no system assigns it."""


def syscall(number: int, *arguments: int) -> int:
    """Make a system call by its number.

    Raises:
        OSError: the kernel refused.
    """
    return _checked(_libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2), with its arguments as unsigned long.

    Raises:
        OSError: the kernel refused.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc.prctl(option, *map(ctypes.c_ulong, padded)))


def unshare(flags: int) -> None:
    """Call unshare(2).

    Raises:
        OSError: the kernel refused.
    """
    _checked(_libc.unshare(flags))


def close_from(first: int) -> None:
    """Close this file descriptor and all above it, even those above the limit."""
    if sys.platform == "linux":
        syscall(_CLOSE_RANGE, first, 0xFFFFFFFF, 0)
    else:
        os.closerange(first, 4096)


def mount(source: str, target: str, flags: int, *, kind: str = "", options: str = "") -> None:
    """Call mount(2).

    Raises:
        OSError: the kernel refused.
    """
    words = [ctypes.c_char_p(os.fsencode(word)) for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), ctypes.c_char_p(os.fsencode(options))))


def one_malloc_arena() -> None:
    """Let threads share one arena: with arenas of their own, each takes 64 MiB of address space."""
    if hasattr(_libc, "mallopt"):  # musl has no arenas
        _libc.mallopt(_M_ARENA_MAX, 1)


def thread_count() -> int:
    """Return the number of threads of all users: the field `procs` of sysinfo(2)."""
    info = (ctypes.c_char * 512)()
    _checked(_libc.sysinfo(info))
    # After ten longs; 16 bits wide.
    at = 10 * ctypes.sizeof(ctypes.c_long)
    return int.from_bytes(bytes(info[at : at + 2]), "little")


def _checked(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
