"""Run a Python program that a model wrote, or one in a file; results as text and JSON."""

import atexit
import functools
import json
import os
from dataclasses import asdict
from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.sandbox.result import Level, Limits, Result
from umi_lite.sandbox.sandbox import Sandbox

__all__ = ["Limits", "Result", "as_json", "as_text", "run_file", "run_python", "sandbox"]


@functools.cache
def sandbox() -> Sandbox:
    """Return this process's sandbox, at the strongest available level; it starts when needed."""
    made = Sandbox()
    atexit.register(made.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.forget)
    return made


def run_python(code: str, limits: Limits | None = None) -> Result:
    """Run a program and return its result; never raises for the program's errors.

    The first call starts the supervisor and imports sympy there, which takes about a second. If
    this machine has no sandbox the result is `refused`, and nothing runs.
    """
    return sandbox().run(code, limits)


def run_file(file: Path, level: Level | None, limits: Limits | None = None) -> Result:
    """Run the program in a file.

    Raises:
        UserError: the file cannot be read, or would run unconfined as root.
    """
    if level == "none" and os.geteuid() == 0:
        raise UserError("without a sandbox nothing runs as root: use an ordinary user")
    try:
        code = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{file}: no readable program: {err}") from err
    with Sandbox(level) as own:
        return own.run(code, limits)


def as_json(result: Result) -> str:
    """Return a JSON object: status, stdout, value, error, limit, level, seconds."""
    fields = asdict(result)
    del fields["state_lost"]  # one program has no state to lose
    return json.dumps(fields)


def as_text(result: Result) -> str:
    """Return what was printed, the value, and how it ended."""
    end = f"[{result.status} · level {result.level} · {result.seconds:.3f} s]"
    parts = (result.stdout.rstrip("\n"), result.value, result.error, end)
    return "\n".join(part for part in parts if part)
