"""Attacks on kernel interfaces and on resources."""

from umi_lite.sandbox.attacks.attack import LIMITS, SHORT, Attack, denied
from umi_lite.sandbox.libc import thread_count
from umi_lite.sandbox.result import Result

# Interfaces that ordinary programs do not need and that have had holes.
_RUN_MACHINE_CODE = (
    "import mmap\n"
    "page = mmap.mmap(-1, 4096, prot=7)\n"
    "page.write({code})\n"
    "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
    "if ctypes.CFUNCTYPE(ctypes.c_int)(at)() > 0: won()"
)
# mov eax, 20 (getpid of i386); int 0x80; ret
_I386_GETPID = r'b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"'

INTERFACES = (
    *denied(
        {
            "io_uring": "ring = ctypes.create_string_buffer(256)\n"
            'call("io_uring_setup", 1, ctypes.addressof(ring))',
            "userfaultfd": 'call("userfaultfd", 1)',
            "bpf": "attributes = ctypes.create_string_buffer(128)\n"
            'call("bpf", 0, ctypes.addressof(attributes), 128)',
            "perf events": "attributes = ctypes.create_string_buffer(128)\n"
            'call("perf_event_open", ctypes.addressof(attributes), 0, -1, -1, 0)',
            "add a key": 'call("add_key", b"user", b"umi", b"x", 1, -2)',
            "join a keyring": 'call("keyctl", 1, 0)',
            **{
                f"a new {name} namespace": f'call("unshare", {flag:#x})'
                for name, flag in {
                    "user": 0x10000000,
                    "mount": 0x20000,
                    "process": 0x20000000,
                    "network": 0x40000000,
                    "IPC": 0x8000000,
                }.items()
            },
            "enter a namespace": 'call("setns", 4, 0)',
            "mount": 'call("mount", b"none", b"/", b"tmpfs", 0, 0)',
            "open a file system": 'call("fsopen", b"tmpfs", 0)',
            "clone a mount": 'call("open_tree", -100, b"/", 1)',
            "change root": 'call("chroot", b"/")',
            "a file in memory": 'os.memfd_create("umi")',
            "a secret file in memory": 'call("memfd_secret", 0)',
            "SysV shared memory": 'call("shmget", 0, 4096, 0o1600)',
            "SysV semaphores": 'call("semget", 0, 1, 0o1600)',
            "SysV messages": 'call("msgget", 0, 0o1600)',
            "POSIX messages": 'call("mq_open", b"umi", 0o102, 0o600, 0)',
            "POSIX shared memory": "import _posixshmem\n"
            '_posixshmem.shm_open("/umi-attack", os.O_CREAT | os.O_RDWR, 0o600)',
            "file system events": 'call("fanotify_init", 0x200, 0)',
            "a filter of its own": 'call("seccomp", 2, 0, 0)',
            "rules of its own": 'call("landlock_create_ruleset", 0, 0, 1)',
            "another personality": 'call("personality", 0x0040000)',
            "a file handle": "handle = (ctypes.c_uint32 * 40)(128)\nmount = ctypes.c_int()\n"
            'call("name_to_handle_at", -100, b"/", ctypes.addressof(handle), '
            "ctypes.addressof(mount), 0)",
            "timers": 'timer = ctypes.c_int()\ncall("timer_create", 1, 0, ctypes.addressof(timer))',
            "epoll": 'call("epoll_create1", 0)',
            "an event descriptor": 'call("eventfd2", 0, 0)',
            "a timer descriptor": 'call("timerfd_create", 1, 0)',
            "a pipe": "os.pipe()",
            "splice": 'call("splice", 0, 0, 4, 0, 1, 0)',
            "type into the terminal": "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')",
            "signals by file descriptor": "import fcntl\nfcntl.fcntl(4, 8, os.getpid())",
            "become another user": 'call("setuid", os.getuid())',
            "take capabilities": "head = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
            "none = (ctypes.c_uint32 * 6)()\n"
            'call("capset", ctypes.addressof(head), ctypes.addressof(none))',
            "raise a limit": "bound = (ctypes.c_uint64 * 2)(4096, 4096)\n"
            'call("prlimit64", 0, 7, ctypes.addressof(bound), 0)',
            "leave the filter's mode": 'call("prctl", 22, 0, 0)',
        }
    ),
    Attack(
        "call as i386",
        _RUN_MACHINE_CODE.format(code=_I386_GETPID),
        ends=("crash",),
        machine="x86_64",
    ),
    Attack(
        "call as x32",
        "if libc.syscall(0x40000000 + 39) > 0: won()",
        ends=("crash",),
        machine="x86_64",
    ),
    Attack(
        "a local descriptor table",
        'call("modify_ldt", 0, 0, 0)\nwon()',
        machine="x86_64",
    ),
)


# Memory, time, threads, descriptors, disk, output. Other programs must be unaffected.
_SPARE_THREADS = 64 + 16


def _few_threads(result: Result) -> str | None:
    # A user's threads are counted on the whole machine: the bound is their number now, plus 64.
    made = int(result.stdout.split()[-1])
    bound = thread_count() + _SPARE_THREADS
    return f"{made} threads, above {bound}" if made > bound else None


def _few_descriptors(result: Result) -> str | None:
    made = int(result.stdout.split()[-1])
    return f"{made} open files" if made > LIMITS.open_files else None


def _short(result: Result) -> str | None:
    longest = max(map(len, (result.stdout, result.value or "", result.error or "")))
    return f"{longest} characters" if longest > LIMITS.output_chars else None


EXHAUSTION = (
    Attack("memory at once", "x = bytearray(4 << 30)\nwon()", ends=("limit",)),
    Attack(
        "memory in pieces",
        "held = []\nwhile True: held.append(bytearray(1 << 20))",
        ends=("limit",),
    ),
    Attack(
        "address space",
        "import mmap\nheld = [mmap.mmap(-1, 1 << 30) for _ in range(64)]\nwon()",
        errnos=(12,),
    ),
    Attack("a huge power", "x = 10 ** (10 ** 9)\nwon()", ends=("limit",), limits=SHORT),
    Attack("an endless loop", "while True: pass", ends=("limit",), limits=SHORT),
    Attack(
        "an endless loop in C", "import itertools\nsum(itertools.count())", ("limit",), limits=SHORT
    ),
    Attack("sleep", "import time\ntime.sleep(3600)", ends=("limit",), limits=SHORT),
    Attack(
        "a catastrophic pattern",
        'import re\nre.match("(a+)+$", "a" * 60 + "b")',
        ends=("limit",),
        limits=SHORT,
    ),
    Attack(
        "deaf to signals",
        "import signal\n"
        "for s in range(1, 65):\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))\n"
        "while True: pass",
        ends=("limit",),
        limits=SHORT,
    ),
    Attack(
        "four busy threads",
        "import threading\n"
        "def spin():\n    while True: pass\n"
        "for _ in range(4): threading.Thread(target=spin).start()\nspin()",
        ends=("limit",),
        limits=SHORT,
    ),
    Attack(
        "a repr without end",
        "class A:\n    def __repr__(self):\n        while True: pass\nA()",
        ends=("limit",),
        limits=SHORT,
    ),
    Attack(
        "a thread that stays",
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,)).start()\nprint(1)",
        ends=("ok",),
    ),
    Attack(
        "very many threads",
        "import threading, time\n"
        "threading.stack_size(32768)\nmade = 0\n"
        "try:\n"
        "    while made < 20000:\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "        made += 1\n"
        "except (RuntimeError, MemoryError): pass\n"
        "print(made)",
        ends=("ok",),
        check=_few_threads,
    ),
    Attack(
        "very many descriptors",
        "made = 0\n"
        "try:\n"
        "    while made < 100000:\n        os.dup(0)\n        made += 1\n"
        "except OSError as err: assert err.errno == 24\n"
        "print(made)",
        ends=("ok",),
        check=_few_descriptors,
    ),
    *denied(
        {
            "fill the disk": 'open("/tmp/umi-fill", "xb").write(bytes(1 << 20))',
            "fill the memory disk": 'open("/dev/shm/umi-fill", "xb").write(bytes(1 << 20))',
            "use up inodes": '[os.mkdir(f"/tmp/umi-fill-{i}") for i in range(8)]',
            "pipe buffers": "held = [os.pipe() for _ in range(8)]",
            "lock memory": 'call("mlockall", 3)',
            "real-time priority": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
            "idle priority": "os.nice(1)",
        }
    ),
    Attack(
        "flood the output", 'while True: os.write(1, b"x" * 65536)', ends=("limit",), check=_short
    ),
    Attack(
        "flood the errors", 'while True: os.write(2, b"x" * 65536)', ends=("limit",), check=_short
    ),
    Attack("one huge line", 'print("x" * 3000000)', ends=("ok",), check=_short),
    Attack("a huge value", '"x" * 50000000', ends=("ok",), check=_short),
    Attack("a huge error", 'raise ValueError("x" * 50000000)', ends=("error",), check=_short),
    Attack(
        "silence and sleep",
        "import time\nfor fd in (0, 1, 2, 3, 4): os.close(fd)\ntime.sleep(3600)",
        ends=("limit",),
        limits=SHORT,
    ),
    Attack(
        "endless recursion",
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): return f() + 1\nf()",
        ends=("crash", "error", "limit"),
    ),
    Attack("a huge program", 'eval("+".join(["1"] * 3000000))', ends=("crash", "error", "limit")),
    Attack("deep brackets", 'eval("(" * 1000000)', ends=("crash", "error", "limit")),
)
