"""The C library's calls that Python has no function for. Linux only."""

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


NOBODY = 60900
"""User and group id that a root host's supervisor becomes; no system gives it to anybody."""


def syscall(number: int, *arguments: int) -> int:
    """A system call by its number.

    Raises:
        OSError: the kernel said no.
    """
    return _checked(_libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))


def prctl(option: int, *arguments: int) -> int:
    """prctl(2), its arguments as unsigned long.

    Raises:
        OSError: the kernel said no.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc.prctl(option, *map(ctypes.c_ulong, padded)))


def unshare(flags: int) -> None:
    """unshare(2).

    Raises:
        OSError: the kernel said no.
    """
    _checked(_libc.unshare(flags))


def close_from(first: int) -> None:
    """Close this file descriptor and all above it, also those above the limit on them."""
    if sys.platform == "linux":
        syscall(_CLOSE_RANGE, first, 0xFFFFFFFF, 0)
    else:
        os.closerange(first, 4096)


def mount(source: str, target: str, flags: int, *, kind: str = "", options: str = "") -> None:
    """mount(2).

    Raises:
        OSError: the kernel said no.
    """
    words = [ctypes.c_char_p(os.fsencode(word)) for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), ctypes.c_char_p(os.fsencode(options))))


def one_malloc_arena() -> None:
    """Threads share one arena: an arena of their own costs each 64 MiB of address space."""
    if hasattr(_libc, "mallopt"):  # musl has no arenas
        _libc.mallopt(_M_ARENA_MAX, 1)


def thread_count() -> int:
    """Threads on the machine, all users': the field `procs` of sysinfo(2)."""
    info = (ctypes.c_char * 512)()
    _checked(_libc.sysinfo(info))
    # Behind ten longs; 16 bits wide.
    at = 10 * ctypes.sizeof(ctypes.c_long)
    return int.from_bytes(bytes(info[at : at + 2]), "little")


def _checked(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
