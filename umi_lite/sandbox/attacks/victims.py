"""What an attack is aimed at: a file, a process and sockets of the user's own, all harmless."""

import contextlib
import os
import resource
import secrets
import socket
import subprocess
import tempfile
from pathlib import Path

from umi_lite.sandbox.seccomp import column

# name, number on x86-64, number on aarch64 (`-`: none); from the kernel's headers.
_NUMBERS = column(
    """
socket 41 198, connect 42 203, clone 56 220, clone3 435 435, execveat 322 281,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272,
pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, keyctl 250 219,
add_key 248 217, request_key 249 218, io_uring_setup 425 425, userfaultfd 323 282,
bpf 321 280, perf_event_open 298 241, unshare 272 97, setns 308 268, mount 165 40,
chroot 161 51, memfd_secret 447 447, shmget 29 194, semget 64 190, msgget 68 186,
mq_open 240 180, fanotify_init 300 262, inotify_init1 294 26, seccomp 317 277,
personality 135 92, name_to_handle_at 303 264, openat2 437 437, tkill 200 130,
tgkill 234 131, rt_sigqueueinfo 129 138, prlimit64 302 261, prctl 157 167,
timer_create 222 107, epoll_create1 291 20, eventfd2 290 19, timerfd_create 283 85,
landlock_create_ruleset 444 444, modify_ldt 154 -, mlockall 151 230,
process_madvise 440 440, move_pages 279 239, fsopen 430 430, open_tree 428 428,
splice 275 76, setuid 105 146, capset 126 91
"""
)
_PRELUDE = """\
import ctypes, os
CANARY, FOLDER, VICTIM, HOST = {canary!r}, {folder!r}, {victim}, {host}
TCP, UDP, UNIX, ABSTRACT = {tcp}, {udp}, {unix!r}, {abstract!r}
number = {numbers!r}
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    said = libc.syscall(ctypes.c_long(number[name]), *[
        a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    if said == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return said
def won(): os.write(1, b"\\n{token}\\n")
"""


class Victims:
    """One attack's victims, as a context manager; `touched` reports changes to them.

    Attributes:
        secret: in the canary file, and in the victim's environment.
        token: what the attack prints when the kernel let it through.
    """

    def __init__(self) -> None:
        self.secret = f"umi-canary-{secrets.token_hex(8)}"
        self.token = f"umi-won-{secrets.token_hex(8)}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Victims":
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="umi-victims-"))
            self._folder = Path(folder)
            self._canary = self._folder / "canary"
            self._canary.write_text(self.secret)
            (self._folder / "link").symlink_to(f"to-{self.secret}")
            self._victim = subprocess.Popen(
                ["sleep", "600"], env={"PATH": os.environ.get("PATH", ""), "SECRET": self.secret}
            )
            stack.callback(self._victim.wait)
            stack.callback(self._victim.kill)
            self._listen(stack)
            self._files_before = self._files()
            self._victim_before = self._victim_state()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def program(self, source: str) -> str:
        """Return the attack's program with the names that it uses."""
        names = _PRELUDE.format(
            canary=str(self._canary),
            folder=str(self._folder),
            victim=self._victim.pid,
            host=os.getpid(),
            tcp=self._tcp.getsockname()[1],
            udp=self._udp.getsockname()[1],
            unix=str(self._folder / "socket"),
            abstract=self._abstract_name,
            numbers=_NUMBERS,
            token=self.token,
        )
        return names + source

    def touched(self) -> str | None:
        """Return what has changed, None if nothing has."""
        if self._files() != self._files_before:
            return "a file was changed"
        if (state := self._victim_state()) != self._victim_before:
            return f"the victim was changed: {state}, was {self._victim_before}"
        for listener in (self._tcp, self._unix, self._abstract):
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                return "a connection was made"
        with contextlib.suppress(BlockingIOError):
            self._udp.recv(16)
            return "a packet came"
        return None

    def _listen(self, stack: contextlib.ExitStack) -> None:
        self._abstract_name = self.token
        self._tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind(("127.0.0.1", 0))
        self._unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        self._unix.bind(str(self._folder / "socket"))
        self._abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        self._abstract.bind("\0" + self._abstract_name)
        for listener in (self._unix, self._abstract):
            listener.listen()
        for one in (self._tcp, self._udp, self._unix, self._abstract):
            one.setblocking(False)

    def _files(self) -> object:
        def state(path: Path) -> object:
            seen = path.lstat()
            return path.name, seen.st_ino, seen.st_mode, seen.st_nlink, seen.st_mtime_ns

        files = sorted(map(state, self._folder.iterdir()), key=str)
        return files, self._canary.read_text(), os.listxattr(self._canary)

    def _victim_state(self) -> object:
        pid = self._victim.pid
        if self._victim.poll() is not None:
            return "dead"
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return (
            # A sleeping process may be seen running for a moment, but not stopped or traced.
            "stopped" if fields["State"][0] in "Tt" else "there",
            fields["TracerPid"],
            fields["SigPnd"],
            os.getpriority(os.PRIO_PROCESS, pid),
            os.sched_getscheduler(pid),
            frozenset(os.sched_getaffinity(pid)),
            resource.prlimit(pid, resource.RLIMIT_CPU),
        )
