"""The process that runs the code: limits itself, runs stdin, writes one JSON line to a pipe.

Started as a script by `sandbox.python` with the limits as JSON and the pipe's number; it
imports nothing of umi_lite.
"""

import ast
import json
import os
import resource
import sys
import traceback
from typing import Any

_MIB = 1 << 20
_SOURCE = "<program>"


def limit(limits: dict[str, Any]) -> None:
    """Set soft and hard limits alike, so that they cannot be raised again."""
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_mib"] * _MIB),
        (resource.RLIMIT_FSIZE, limits["file_mib"] * _MIB),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
    ):
        resource.setrlimit(kind, (value, value))


def run(code: str) -> dict[str, Any]:
    """Run a program; the last statement's value is kept where it is an expression."""
    try:
        tree = ast.parse(code, _SOURCE)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(tree, _SOURCE, "exec"), names)
        value = eval(compile(last, _SOURCE, "eval"), names) if last else None
        shown = value if isinstance(value, str) or value is None else repr(value)
        return {"status": "ok", "value": shown}
    except MemoryError:
        return {"status": "limit", "limit": "memory"}
    except SystemExit as err:
        if err.code in (None, 0):
            return {"status": "ok", "value": None}
        return {"status": "error", "error": f"SystemExit: {err.code}"}
    except BaseException as err:
        return {"status": "error", "error": _describe(err)}


def _describe(err: BaseException) -> str:
    text = " ".join(str(err).split())
    if isinstance(err, SyntaxError):
        text = err.msg
        lines = [err.lineno or 0]
    else:
        frames = traceback.extract_tb(err.__traceback__)
        lines = [frame.lineno or 0 for frame in frames if frame.filename == _SOURCE]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(err).__name__}: {text}{where}" if text else f"{type(err).__name__}{where}"


def main() -> None:
    limits, pipe = json.loads(sys.argv[1]), int(sys.argv[2])
    code = sys.stdin.buffer.read().decode("utf-8")
    limit(limits)
    result = run(code)
    try:
        sys.stdout.flush()
    except OSError as err:
        result = {"status": "error", "error": f"{type(err).__name__}: {err}"}
    room = limits["output_chars"]
    for key in ("value", "error"):
        text = result.get(key)
        # One more than fits, so that the reader sees that it was cut.
        if text and len(text) > 2 * room:
            result[key] = text[:room] + text[-room - 1 :]
    os.write(pipe, json.dumps(result).encode())
    os.close(pipe)
    # Threads and exit handlers of the program have no say after its result.
    os._exit(0)


if __name__ == "__main__":
    main()
