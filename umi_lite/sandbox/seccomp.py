"""seccomp: which system calls a process may make.

An allow-list. What is not on it gives EPERM; a call with a foreign architecture's convention
(i386, x32) kills the process. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import platform
import struct
from collections.abc import Sequence

from umi_lite.sandbox.libc import PR_SET_SECCOMP, prctl

# name, number on x86-64, number on aarch64 (`-`: none); from the kernel's headers.
_ALWAYS = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, close 3 57, fstat 5 80,
newfstatat 262 79, stat 4 -, lstat 6 -, statx 332 291, lseek 8 62, getdents64 217 61,
getcwd 79 17, access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -,
readlinkat 267 78, dup 32 23, mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216,
madvise 28 233, brk 12 214, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
rt_sigpending 127 136, rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132,
restart_syscall 219 128, futex 202 98, set_robust_list 273 99, rseq 334 293,
sched_yield 24 124, sched_getaffinity 204 123, getcpu 309 168, getpid 39 172,
getppid 110 173, gettid 186 178, getpgid 121 155, getpgrp 111 -, getsid 124 156,
getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getresuid 118 148,
getresgid 120 150, getgroups 115 158, uname 63 160, sysinfo 99 179, times 100 153,
getrusage 98 165, getrandom 318 278, gettimeofday 96 169, time 201 -, clock_gettime 228 113,
clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, alarm 37 -,
getitimer 36 102, setitimer 38 103, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
exit 60 93, exit_group 231 94
"""
_LOOKED_INTO = """
openat 257 56, clone 56 220, clone3 435 435, prctl 157 167, prlimit64 302 261, ioctl 16 29,
fcntl 72 25, kill 62 129, tgkill 234 131
"""


def column(table: str) -> dict[str, int]:
    """Return this machine's numbers from such a table, empty where it has no column there."""
    which = {"x86_64": 1, "aarch64": 2}.get(platform.machine())
    if which is None:
        return {}
    rows = [entry.split() for entry in table.replace("\n", " ").split(",")]
    return {row[0]: int(row[which]) for row in rows if row[which] != "-"}


ALWAYS = column(_ALWAYS)
"""Allowed whatever their arguments; empty on a machine that is neither x86-64 nor aarch64."""

LOOKED_INTO = column(_LOOKED_INTO)
"""Allowed with certain arguments."""


_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER_AT, _ARCH_AT = 0, 4
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_MODE_FILTER = 2

# What glibc's and musl's pthread_create ask for; fork, vfork and namespaces differ.
_THREAD_FLAGS = (0x3D0F00, 0x7D0F00)
_PR_SET_NAME = 15
_TCGETS = 0x5401
_DUP, _GET_FD, _SET_FD, _GET_FLAGS, _DUP_CLOEXEC = 0, 1, 2, 3, 1030
# O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_PATH | the bit that makes O_TMPFILE
_NOT_JUST_READING = 0o3 | 0o100 | 0o1000 | 0o10000000 | 0o20000000

_Instruction = tuple[int, int, int, int]


def supported() -> bool:
    """True if there is a table for this machine's architecture."""
    return platform.machine() in _ARCH and bool(ALWAYS)


def enter(pid: int) -> None:
    """Put this process, whose id is `pid`, under the filter. It needs no_new_privs.

    Raises:
        OSError: the kernel has no seccomp filters.
    """
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in _program(pid))
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    held = ctypes.create_string_buffer(program, len(program))
    prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(held))


def _program(pid: int) -> list[_Instruction]:
    numbers = LOOKED_INTO
    program = [
        _load(_ARCH_AT),
        (_JUMP_EQUAL, 1, 0, _ARCH[platform.machine()]),
        _result(_KILL),
        _load(_NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        _result(_KILL),
    ]
    for number in ALWAYS.values():
        program += [(_JUMP_EQUAL, 0, 1, number), _result(_ALLOW)]
    for name, argument, values in (
        ("clone", 0, _THREAD_FLAGS),
        ("prctl", 0, (_PR_SET_NAME,)),
        ("ioctl", 1, (_TCGETS,)),
        ("fcntl", 1, (_DUP, _GET_FD, _SET_FD, _GET_FLAGS, _DUP_CLOEXEC)),
        ("kill", 0, (pid,)),
        ("tgkill", 0, (pid,)),
    ):
        program += _when(numbers[name], _one_of(argument, values))
    reading = [_load(_low(2)), (_AND, 0, 0, _NOT_JUST_READING), *_unless_zero()]
    program += _when(numbers["openat"], [*reading, _result(_ALLOW)])
    # Its own limits can be read (process 0, no new limit), not changed.
    asking = [step for at in (_low(0), _low(2), _high(2)) for step in (_load(at), *_unless_zero())]
    program += _when(numbers["prlimit64"], [*asking, _result(_ALLOW)])
    # Its flags are in memory, which a filter cannot read: glibc takes clone instead.
    program += _when(numbers["clone3"], [_result(_ERRNO | _ENOSYS)])
    return [*program, _result(_ERRNO | _EPERM)]


def _when(number: int, block: Sequence[_Instruction]) -> list[_Instruction]:
    """Return the block, which must end by returning, for this call alone."""
    return [(_JUMP_EQUAL, 0, len(block), number), *block]


def _one_of(argument: int, values: Sequence[int]) -> list[_Instruction]:
    block = [_load(_low(argument))]
    for value in values:
        block += [(_JUMP_EQUAL, 0, 1, value), _result(_ALLOW)]
    return [*block, _result(_ERRNO | _EPERM)]


def _unless_zero() -> list[_Instruction]:
    return [(_JUMP_EQUAL, 1, 0, 0), _result(_ERRNO | _EPERM)]


def _load(at: int) -> _Instruction:
    return (_LOAD, 0, 0, at)


def _result(value: int) -> _Instruction:
    return (_RETURN, 0, 0, value)


def _low(argument: int) -> int:
    return 16 + 8 * argument


def _high(argument: int) -> int:
    return _low(argument) + 4
