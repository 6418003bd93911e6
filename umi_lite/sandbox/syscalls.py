"""Linux syscall numbers of the calls that the sandbox allows or looks into."""

import platform

# name, number on x86-64, number on aarch64 (`-`: it has none); from the kernel's headers.
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
    """This machine's numbers from such a table, empty where it has no column there."""
    which = {"x86_64": 1, "aarch64": 2}.get(platform.machine())
    if which is None:
        return {}
    rows = [entry.split() for entry in table.replace("\n", " ").split(",")]
    return {row[0]: int(row[which]) for row in rows if row[which] != "-"}


ALWAYS = column(_ALWAYS)
"""Allowed whatever their arguments; empty on a machine that is neither x86-64 nor aarch64."""

LOOKED_INTO = column(_LOOKED_INTO)
"""Allowed with certain arguments."""
