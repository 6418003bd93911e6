"""The interpreter is brought down; the supervisor must not notice more than its end."""

from umi_lite.sandbox.attacks.attack import Attack

ATTACKS = tuple(
    Attack(name, program, ends=ends)
    for name, ends, program in (
        ("abort", ("crash",), "os.abort()"),
        ("kill itself", ("crash",), "os.kill(os.getpid(), 9)"),
        ("read address 0", ("crash",), "ctypes.string_at(0)"),
        ("write address 1", ("crash",), 'ctypes.memmove(1, b"x", 1)'),
        ("jump to address 0", ("crash",), "ctypes.CFUNCTYPE(None)(0)()"),
        ("bad bytecode", ("crash", "error", "ok"), (
            "import types\n"
            "def f(): pass\n"
            "f.__code__ = f.__code__.replace(co_code=bytes([100, 255]) * 8, co_consts=())\nf()"
        )),
        ("stop itself", ("limit",), "os.kill(os.getpid(), 19)"),
        ("exit at once", ("ok",), "os._exit(0)"),
        ("exit with a status", ("error",), "os._exit(255)"),
        ("exit from a thread", ("ok",), (
            "import threading\n"
            "t = threading.Thread(target=os._exit, args=(0,))\nt.start(); t.join()"
        )),
        ("empty the module table", ("ok", "error", "crash"), "import sys\nsys.modules.clear()"),
        ("take the builtins away", ("ok", "error", "crash"), (
            "import builtins\nfor n in list(vars(builtins)): delattr(builtins, n)"
        )),
        ("an error that cannot be told", ("error",), (
            "class E(BaseException):\n"
            "    def __str__(self): raise E()\n"
            "raise E()"
        )),
        ("a value that cannot be shown", ("error",), (
            "class V:\n    def __repr__(self): return 3\nV()"
        )),
        ("output that cannot be flushed", ("error", "ok"), (
            "import sys\nsys.stdout = object()\nsys.stderr = None"
        )),
        ("close its own channels", ("error", "ok", "crash"), (
            "for fd in range(5): os.close(fd)"
        )),
        ("an exit handler that hangs", ("ok",), (
            "import atexit, time\natexit.register(time.sleep, 3600)"
        )),
    )
)  # fmt: skip
