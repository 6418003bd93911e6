"""`umi sandbox run`: a file's program, and its result for people and for programs."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.sandbox.result import Level, Limits, Result
from umi_lite.sandbox.sandbox import Sandbox


def run_file(file: Path, level: Level | None, limits: Limits | None = None) -> Result:
    """Run the program in a file.

    Raises:
        UserError: it cannot be read, or it is to run unconfined as root.
    """
    if level == "none" and os.geteuid() == 0:
        raise UserError("without a sandbox nothing runs as root: use an ordinary user")
    try:
        code = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{file}: no readable program: {err}") from err
    with Sandbox(level) as sandbox:
        return sandbox.run(code, limits)


def as_json(result: Result) -> str:
    """One JSON object: status, stdout, value, error, limit, level, seconds."""
    told = asdict(result)
    del told["state_lost"]  # one program has no state to lose
    return json.dumps(told)


def as_text(result: Result) -> str:
    """What was printed, the value, and how it ended."""
    end = f"[{result.status} · level {result.level} · {result.seconds:.3f} s]"
    parts = (result.stdout.rstrip("\n"), result.value, result.error, end)
    return "\n".join(part for part in parts if part)
