"""Resources: memory, time, threads, descriptors, disk, output. Others must go on."""

from umi_lite.sandbox.attacks.attack import LIMITS, SHORT, Attack, denied
from umi_lite.sandbox.libc import thread_count
from umi_lite.sandbox.result import Result

_SPARE_THREADS = 64 + 16


def _few_threads(result: Result) -> str | None:
    # A user's processes are counted on the whole machine: the bound is what is there, and 64.
    made = int(result.stdout.split()[-1])
    bound = thread_count() + _SPARE_THREADS
    return f"{made} threads, above {bound}" if made > bound else None


def _few_descriptors(result: Result) -> str | None:
    made = int(result.stdout.split()[-1])
    return f"{made} open files" if made > LIMITS.open_files else None


def _short(result: Result) -> str | None:
    longest = max(map(len, (result.stdout, result.value or "", result.error or "")))
    return f"{longest} characters" if longest > LIMITS.output_chars else None


ATTACKS = (
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
