"""Secrets of the host, of the user's other processes, and of the supervisor."""

from umi_lite.sandbox.attacks.attack import Attack, denied

_PARENT = "os.getppid()"


def _proc(process: str, what: str) -> str:
    return f'print(open(f"/proc/{{{process}}}/{what}", "rb").read())'


ATTACKS = (
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
