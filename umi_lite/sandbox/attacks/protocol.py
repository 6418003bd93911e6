"""A program speaks in the sandbox's name: into its own channel, or towards others'."""

from umi_lite.sandbox.attacks.attack import SHORT, Attack
from umi_lite.sandbox.result import Result

_HELP = """\
import json, struct
def frame(body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack(">I", len(body)) + body
def say(*bodies):
    for body in bodies: os.write(4, frame(body))
fake = {"kind": "value", "text": "fake"}
"""
_GARBLED = ("crash",)


def _no_fake(result: Result) -> str | None:
    said = result.value
    return f"the result has the value {said!r}" if said is not None else None


_SPOKEN = tuple(
    Attack(name, _HELP + program, ends=ends, check=_no_fake, limits=SHORT)
    for name, ends, program in (
        ("say it is done, and go on", ("limit",), "say(fake)\nwhile True: pass"),
        ("say it is done, and crash", ("crash",), "say(fake)\nos.abort()"),
        ("say it is done, and exit", ("error",), "say(fake)\nos._exit(3)"),
        ("say it is done, and sleep", ("limit",), "say(fake)\nimport time\ntime.sleep(60)"),
        ("two results", _GARBLED, "say(fake, fake)"),
        ("a result of another kind", _GARBLED, 'say({"kind": "root", "text": "fake"})'),
        ("a verdict of its own", _GARBLED, (
            'say({"kind": "value", "text": "fake", "status": "ok", "level": "none", "seconds": 0})'
        )),
        ("a supervisor's reply", _GARBLED, (
            'say({"status": "ok", "stdout": "fake", "value": "fake", "error": None,\n'
            '     "limit": None, "seconds": 0.0, "state_lost": False})'
        )),
        ("a request of its own", _GARBLED, (
            'say({"code": "1", "limits": {"memory_mib": 1 << 20}, "session": True})'
        )),
        ("text of another type", _GARBLED, 'say({"kind": "value", "text": {"a": [1]}})'),
        ("no object", _GARBLED, "say([1, 2, 3])"),
        ("nothing that is JSON", _GARBLED, 'say(b"fake")'),
        ("half a character", _GARBLED, 'say(b\'{"kind": "value", "text": "\\xc3"}\')'),
        ("a pickle", _GARBLED, "import pickle\nsay(pickle.dumps(fake))"),
        ("brackets, very deep", _GARBLED, 'say(b"[" * 40000)'),
        ("a number without end", _GARBLED, 'say(b"1" * 20000)'),
        ("a length above the bound", _GARBLED, 'os.write(4, b"\\xff\\xff\\xff\\xff")'),
        ("a length of 2 GiB", _GARBLED, 'os.write(4, b"\\x7f\\xff\\xff\\xff" + b"x" * 60000)'),
        ("a flood of results", ("crash", "limit"), "while True: say(fake)"),
        ("a flood of nothing", ("crash", "limit"), (
            "while True: os.write(4, bytes(65536))"
        )),
        ("half a result", ("ok",), "os.write(4, frame(fake)[:-3])\nos._exit(0)"),
        ("a result by halves", ("limit",), (
            "import time\n"
            "for b in frame(fake):\n    os.write(4, bytes([b])); time.sleep(1)"
        )),
        ("change how results are made", _GARBLED, (
            'import sys\nsys.modules["umi_lite.sandbox.worker"].packed = lambda f: b"\\xff" * 9'
        )),
        ("a result on the output", ("ok",), "_ = os.write(1, frame(fake))"),
    )
)  # fmt: skip
ATTACKS = (
    *_SPOKEN,
    Attack("write into the commands", "os.write(3, b'x')\nwon()", errnos=(9,)),
    Attack(
        "another program's channel",
        "for fd in range(64):\n"
        "    try: os.open(f'/proc/{os.getppid()}/fd/{fd}', os.O_WRONLY)\n"
        "    except OSError as err: last = err\n"
        "    else: won()\n"
        "raise last",
    ),
)
