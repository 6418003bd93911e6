"""The worker, the process of one program: run it, report its result, end.

It is confined before it reads the program. What it reports is only a claim: the program can write
to the same pipe.
"""

import ast
import builtins
import os
import sys
import traceback
import types
from typing import Any, NoReturn

from umi_lite.sandbox import program
from umi_lite.sandbox.frames import FrameError, Schema, Unpacker, packed, read_frame

COMMANDS, CLAIMS = 3, 4
"""The worker's file descriptors: programs come in, claims go out."""

RULESET = 5
"""Its Landlock rules, until it is confined by them."""

LIMITS: Schema = {"limits": (dict,)}
PROGRAM: Schema = {"code": (str,)}
CLAIM: Schema = {"kind": (str,), "text": (str, type(None))}
KINDS = ("value", "error", "memory", "setup")
MOST_PROGRAM = 16 << 20

NOT_SET_UP = 70
"""Its exit status when it could not be confined."""

_FRAMES_SHOWN = 6


def most_claim(output_chars: int) -> int:
    """Return the maximum bytes of a claim: cut text, up to 12 bytes per character in JSON."""
    return 1024 + 12 * (2 * output_chars + 1)


def rehearse() -> None:
    """Run something harmless, so that its memory pages are copied before time counts.

    A forked process copies each page when it first writes to it: hundreds of pages, which take
    some milliseconds.
    """
    claim = _run("def f(x): return x + 1\n[f(i) for i in range(9)]", {})
    _run("1 / 0", {})
    Unpacker(CLAIM, 1000).feed(packed(claim))


def serve(output_chars: int) -> NoReturn:
    """Run programs until the pipe ends; names persist from one to the next."""
    names = types.ModuleType("__main__")
    sys.modules["__main__"] = names
    # Python's own come with `site`, which is not loaded here, and close stdin.
    builtins.exit = builtins.quit = sys.exit
    while True:
        try:
            frame = read_frame(COMMANDS, PROGRAM, MOST_PROGRAM)
        except (FrameError, OSError):
            frame = None  # the program closed the pipe
        if frame is None:
            # Threads and exit handlers of the program must not run after its result.
            os._exit(0)
        claim = _run(frame["code"], names.__dict__)
        try:
            sys.stdout.flush()
        except (OSError, ValueError, AttributeError) as err:
            claim = {"kind": "error", "text": f"{type(err).__name__}: {err}"}
        text = claim["text"]
        # One more than fits, so that the reader sees that it was cut.
        if text and len(text) > 2 * output_chars:
            claim["text"] = text[:output_chars] + text[-output_chars - 1 :]
        claim_out(claim)


def claim_out(claim: dict[str, Any]) -> None:
    """Write a claim, all of it."""
    data = packed(claim)
    while data:
        data = data[os.write(CLAIMS, data) :]


def _run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a program; its value is that of its last statement, if that is an expression."""
    try:
        tree = program.parse(code)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        exec(compile(tree, program.SOURCE, "exec"), names)
        value = eval(compile(last, program.SOURCE, "eval"), names) if last else None
        shown = value if type(value) is str or value is None else str(repr(value))
        return {"kind": "value", "text": shown}
    except MemoryError:
        return {"kind": "memory", "text": None}
    except SystemExit as err:
        if err.code in (None, 0):
            return {"kind": "value", "text": None}
        return {"kind": "error", "text": f"SystemExit: {_text(err)}"}
    except BaseException as err:
        return {"kind": "error", "text": _describe(err)}


def _describe(err: BaseException) -> str:
    text = " ".join(_text(err).split())
    if isinstance(err, SyntaxError):
        text = str(err.msg)
        where = f"line {err.lineno or 0}"
    else:
        where = _user_frames(err)
    described = f"{type(err).__name__}: {text}" if text else type(err).__name__
    described = f"{described} ({where})" if where else described
    try:
        hint = program.hint(err)
    except BaseException:
        hint = ""  # its attributes may be the program's own, too
    return f"{described}; {hint}" if hint else described


def _text(err: BaseException) -> str:
    try:
        return str(err)
    except BaseException:
        return ""  # an exception may be the program's own class


def _user_frames(err: BaseException) -> str:
    """Return e.g. `line 9, line 5 in f`: the program's frames, outermost first; deep ones cut."""
    frames = [
        f"line {frame.lineno}" + ("" if frame.name == "<module>" else f" in {frame.name}")
        for frame in traceback.extract_tb(err.__traceback__)
        if frame.filename == program.SOURCE
    ]
    if len(frames) > _FRAMES_SHOWN:
        frames = [*frames[:2], "…", *frames[-_FRAMES_SHOWN + 2 :]]
    return ", ".join(frames)
