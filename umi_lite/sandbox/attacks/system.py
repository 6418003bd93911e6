"""Attacks on files, secrets, the network and other processes."""

import signal

from umi_lite.sandbox.attacks.attack import Attack, denied

# The user's files: read, changed, made. Nothing may be written anywhere.
_NEXT_TO_IT = 'FOLDER + "/new"'

FILES = (
    *denied(
        {
            "read a file": "leak = open(CANARY).read(); print(leak)",
            "read by way of /proc/self/root": 'print(open("/proc/self/root" + CANARY).read())',
            "read by way of ..": 'print(open("/usr/../" + CANARY).read())',
            "read by way of a library folder": (
                'up = os.path.dirname(os.__file__) + "/.." * 20\nprint(open(up + CANARY).read())'
            ),
            "map a file": (
                "import mmap\nfd = os.open(CANARY, os.O_RDONLY)\n"
                "print(mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:])"
            ),
            "hold a file by O_PATH": "os.open(CANARY, 0o10000000)",
            "open with openat2": (
                "how = (ctypes.c_uint64 * 3)(0, 0, 0)\n"
                'call("openat2", -100, CANARY.encode(), ctypes.addressof(how), 24)'
            ),
            "overwrite a file": 'open(CANARY, "w").write("gone")',
            "append to a file": 'open(CANARY, "a").write("more")',
            "change a file in place": 'open(CANARY, "r+b").write(b"X")',
            "truncate by path": "os.truncate(CANARY, 0)",
            "truncate on opening to read": "os.open(CANARY, os.O_RDONLY | os.O_TRUNC)",
            "delete a file": "os.unlink(CANARY)",
            "rename a file": f"os.rename(CANARY, {_NEXT_TO_IT})",
            "hard-link a file": f"os.link(CANARY, {_NEXT_TO_IT})",
            "make a symbolic link": f"os.symlink(CANARY, {_NEXT_TO_IT})",
            "make a file": f'open({_NEXT_TO_IT}, "w")',
            "make a folder": f"os.mkdir({_NEXT_TO_IT})",
            "make a named pipe": f"os.mkfifo({_NEXT_TO_IT})",
            "make a nameless file": "os.open(FOLDER, os.O_TMPFILE | os.O_RDWR)",
            "change a file's mode": "os.chmod(CANARY, 0o777)",
            "change a file's times": "os.utime(CANARY, (1, 1))",
            "set an extended attribute": 'os.setxattr(CANARY, "user.x", b"1")',
            "list a folder": "print(os.listdir(FOLDER))",
            "list the root folder": 'print(os.listdir("/"))',
            "list the homes": 'print(os.listdir("/home"))',
            "read the password file": 'print(open("/etc/passwd").read())',
            "write into /tmp": 'open("/tmp/umi-attack", "x")',
            "write into /dev/shm": 'open("/dev/shm/umi-attack", "x")',
            "write into the working folder": 'open("umi-attack", "x")',
            "write into the standard library": 'open(os.path.dirname(os.__file__) + "/u.py", "x")',
            "change folder": "os.chdir(FOLDER)",
            "watch a folder": 'call("inotify_init1", 0)',
        }
    ),
    Attack("read a file's metadata", "os.stat(CANARY)\nwon()", known=("standard",)),
    Attack(
        "ask whether a file is there",
        "if os.path.exists(CANARY): won()",
        ends=("ok",),
        known=("standard",),
    ),
    Attack(
        "read where a link points",
        'print(os.readlink(FOLDER + "/link"))\nwon()',
        known=("standard",),
    ),
)


# Secrets of the host, of the user's other processes, and of the supervisor.
_PARENT = "os.getppid()"


def _proc(process: str, what: str) -> str:
    return f'print(open(f"/proc/{{{process}}}/{what}", "rb").read())'


SECRETS = (
    *denied(
        {
            **{
                f"read {what} of the {whose}": _proc(process, what)
                for whose, process in (("supervisor", _PARENT), ("victim", "VICTIM"))
                for what in ("environ", "maps", "mem", "cmdline")
            },
            "read the host's environment": _proc("HOST", "environ"),
            "list the supervisor's descriptors": (f'print(os.listdir(f"/proc/{{{_PARENT}}}/fd"))'),
            "list all processes": 'print(os.listdir("/proc"))',
            "read its own memory file": 'open("/proc/self/mem", "rb")',
            "read another process's memory": (
                "buffer = ctypes.create_string_buffer(8)\n"
                "vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)\n"
                "at = ctypes.addressof(vector)\n"
                'call("process_vm_readv", VICTIM, at, 1, at, 1, 0)'
            ),
            "trace a process": 'call("ptrace", 0x4206, VICTIM, 0, 0)',
            "trace the supervisor": f'call("ptrace", 0x4206, {_PARENT}, 0, 0)',
            "take a file descriptor of a process": 'call("pidfd_getfd", 0, 0, 0)',
            "get a handle of a process": 'call("pidfd_open", VICTIM, 0)',
            "compare with a process": 'call("kcmp", os.getpid(), VICTIM, 0, 0, 0)',
            "read the session keyring": 'call("keyctl", 11, -3, 0, 0)',
            "ask for a key": 'call("request_key", b"user", b"umi", 0, -3)',
            "become dumpable": 'call("prctl", 4, 1)',
        }
    ),
    Attack(
        "find inherited file descriptors",
        "for fd in range(5, 4096):\n"
        "    try:\n        os.fstat(fd)\n"
        "    except OSError as err:\n        assert err.errno == 9\n"
        "    else:\n        won()",
        ends=("ok",),
    ),
    Attack(
        "find the host's environment",
        "import sys\nprint(dict(os.environ), sys.argv, sys.orig_argv)\n"
        'if "PATH" in os.environ: won()',
        ends=("ok",),
    ),
    Attack(
        "search all objects in memory",
        "import gc\n"
        "print([o for d in gc.get_objects() if type(d) is dict for o in list(d.values())\n"
        '       if type(o) in (str, bytes) and "umi-canary" in str(o) and len(o) < 200])',
        ends=("ok",),
    ),
)


# The network and local sockets; each victim listens, and must receive nothing.
_SOCKET = "import socket\n"

NETWORK = denied(
    {
        "connect by TCP": _SOCKET + 'socket.create_connection(("127.0.0.1", TCP), 1)',
        "send by UDP": (
            _SOCKET
            + "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            + 's.sendto(b"x", ("127.0.0.1", UDP))'
        ),
        "connect to a local socket": _SOCKET + "socket.socket(socket.AF_UNIX).connect(UNIX)",
        "connect to an abstract socket": (
            _SOCKET + 'socket.socket(socket.AF_UNIX).connect("\\0" + ABSTRACT)'
        ),
        "listen": _SOCKET + 'socket.create_server(("127.0.0.1", 0))',
        "listen by IPv6": _SOCKET + 'socket.create_server(("::1", 0), family=socket.AF_INET6)',
        "make a pair of sockets": _SOCKET + "socket.socketpair()",
        "talk to the kernel by netlink": _SOCKET + "socket.socket(16, socket.SOCK_RAW, 0)",
        "talk to a hypervisor by vsock": _SOCKET + "socket.socket(40, socket.SOCK_STREAM)",
        "use the kernel's ciphers": _SOCKET + "socket.socket(38, socket.SOCK_SEQPACKET)",
        "ping": _SOCKET + "socket.socket(2, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)",
        "fetch a page": (
            'import urllib.request\nurllib.request.urlopen(f"http://127.0.0.1:{TCP}/", timeout=1)'
        ),
        "make a socket past the library": 'call("socket", 2, 1, 0)',
        "connect an inherited descriptor": 'call("connect", 4, 0, 0)',
        "send by io_uring": 'call("io_uring_setup", 1, 0)',
    }
)


# Other processes: made, run, signalled, slowed; a victim must stay as it was.
_CHILD_ENDS = "\nif pid == 0: os._exit(0)"

PROCESSES = (
    *denied(
        {
            "fork": "pid = os.fork()" + _CHILD_ENDS,
            "clone without flags": f'pid = call("clone", {int(signal.SIGCHLD)}, 0, 0, 0, 0)'
            + _CHILD_ENDS,
            "clone3": (
                f"asked = (ctypes.c_uint64 * 11)(0, 0, 0, 0, {int(signal.SIGCHLD)})\n"
                'pid = call("clone3", ctypes.addressof(asked), 88)' + _CHILD_ENDS
            ),
            "clone a sibling": (
                f'pid = call("clone", 0x8000 | {int(signal.SIGCHLD)}, 0, 0, 0, 0)' + _CHILD_ENDS
            ),
            "a thread in a new namespace": (
                'pid = call("clone", 0x3D0F00 | 0x20000000, 0, 0, 0, 0)' + _CHILD_ENDS
            ),
            "run a program": 'os.execv("/bin/true", ["true"])',
            "run a program by descriptor": 'call("execveat", -100, b"/bin/true", 0, 0, 0)',
            "run a shell": 'import subprocess\nsubprocess.run(["/bin/sh", "-c", ":"])',
            "spawn": 'os.posix_spawn("/bin/true", ["true"], {})',
            "os.system": 'if os.system(":") == 0: won()\nraise PermissionError(1, "no shell")',
            "multiprocessing": (
                "import multiprocessing\n"
                'multiprocessing.get_context("fork").Process(target=print).start()'
            ),
            "kill a process": f"os.kill(VICTIM, {int(signal.SIGKILL)})",
            "stop a process": f"os.kill(VICTIM, {int(signal.SIGSTOP)})",
            "stop a process's thread": f'call("tgkill", VICTIM, VICTIM, {int(signal.SIGSTOP)})',
            "stop by the old call": f'call("tkill", VICTIM, {int(signal.SIGSTOP)})',
            "queue a signal": (
                "info = ctypes.create_string_buffer(128)\n"
                f'call("rt_sigqueueinfo", VICTIM, {int(signal.SIGTERM)}, ctypes.addressof(info))'
            ),
            "reach the supervisor by signal": "os.kill(os.getppid(), 0)",
            "reach everybody by signal": "os.kill(-1, 0)",
            "reach the process group by signal": "os.kill(0, 0)",
            "signal by handle": 'call("pidfd_send_signal", 0, 0, 0, 0)',
            "slow a process down": "os.setpriority(os.PRIO_PROCESS, VICTIM, 19)",
            "pin a process": "os.sched_setaffinity(VICTIM, {0})",
            "reschedule a process": (
                "os.sched_setscheduler(VICTIM, os.SCHED_IDLE, os.sched_param(0))"
            ),
            "limit a process": (
                "bound = (ctypes.c_uint64 * 2)(1, 1)\n"
                'call("prlimit64", VICTIM, 0, ctypes.addressof(bound), 0)'
            ),
            "advise on a process's memory": 'call("process_madvise", 0, 0, 0, 0, 0)',
            "move a process's memory": 'call("move_pages", VICTIM, 0, 0, 0, 0, 0)',
            "write another process's memory": (
                "buffer = ctypes.create_string_buffer(8)\n"
                "vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)\n"
                "at = ctypes.addressof(vector)\n"
                'call("process_vm_writev", VICTIM, at, 1, at, 1, 0)'
            ),
            "leave the session": "os.setsid()",
            "leave the process group": "os.setpgid(0, 0)",
            "outlive the supervisor": 'call("prctl", 1, 0)',
            "adopt orphans": 'call("prctl", 36, 1)',
        }
    ),
    Attack(
        "be root",
        "if 0 in (os.getuid(), os.geteuid(), os.getgid(), *os.getresuid()): won()",
        ends=("ok",),
    ),
)
