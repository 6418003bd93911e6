"""Shared by the GPU scripts: their options, parts that resume, and the record of the machine.

A script is a list of parts. The figures of each are written to `OUT/NAME.json` at once, so that
another call runs only the missing parts, and every call ends in time.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from umi_lite.doctor import nvidia_card
from umi_lite.engine.machine import cores, machine_record
from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.train.run_dir import versions

Figures = dict[str, Any]
Part = Callable[[], Figures]
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Seconds of the limit reserved for stopping a child process with a checkpoint.
_RESERVE = 45.0


class OutOfTime(Exception):
    """The time limit is nearly reached; another call resumes."""


@dataclass(frozen=True)
class Options:
    """The options of a script, resolved.

    Attributes:
        out: folder of the figures; work: folder of runs and weights, kept between calls.
        only: run the parts whose name contains it.
        deadline: value of `time.monotonic()` by which a part has to end.
        more: the options of this script alone.
    """

    tiny: bool
    out: Path
    work: Path
    only: str
    deadline: float
    more: argparse.Namespace = field(default_factory=argparse.Namespace)


def arguments(doc: str, own: Callable[[argparse.ArgumentParser], None] | None = None) -> Options:
    """Parse the command line.

    Raises:
        UserError: no card is found, and `--tiny` is not set.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="use a tiny shape; also works on a CPU")
    parser.add_argument("--out", type=Path, help="folder of NAME.json; default: results/")
    parser.add_argument("--work", type=Path, help="folder of runs and weights; default: runs/gpu")
    parser.add_argument("--minutes", type=float, default=8.0, help="minutes to run; default: 8")
    parser.add_argument("--only", default="", help="run only the parts whose name contains this")
    if own:
        own(parser)
    given = parser.parse_args()
    if not given.tiny and nvidia_card() is None:
        raise UserError("no NVIDIA card found (nvidia-smi); --tiny runs the script on the CPU")
    # Figures of a tiny shape must never be mixed with measured ones.
    work = given.work or ROOT / "runs" / ("gpu-tiny" if given.tiny else "gpu")
    out = given.out or (work / "results" if given.tiny else HERE / "results")
    deadline = time.monotonic() + 60 * given.minutes - min(_RESERVE, 10 * given.minutes)
    return Options(given.tiny, out.absolute(), work.absolute(), given.only, deadline, given)


def run_parts(name: str, options: Options, settings: Figures, parts: Mapping[str, Part]) -> int:
    """Run the parts that have no figures yet; print the table, what is left, and the JSON line.

    A part that raises `OutOfTime` is left for the next call. A failure is reported and not
    recorded, and the other parts run.

    Returns:
        The exit status: 1 where a part failed.

    Raises:
        UserError: the figures in the file are of another card or of other settings.
    """
    path = options.out / f"{name}.json"
    record = _opened(path, {"name": name, "tiny": options.tiny, **_machine()}, settings)
    failed: dict[str, str] = {}
    left: list[str] = []
    for part, measure in parts.items():
        if part in record["figures"] or options.only not in part:
            continue
        if left or time.monotonic() > options.deadline:
            left.append(part)
            continue
        print(f"{name}: {part}", file=sys.stderr, flush=True)
        try:
            figures = measure()
        except OutOfTime:
            left.append(part)
        except UserError as err:
            failed[part] = str(err)
            print(f"{name}: {part}: {err}", file=sys.stderr, flush=True)
        else:
            record["figures"][part] = figures
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(record, indent=1) + "\n")
    _show(record)
    if left:
        print(f"left for the next call: {', '.join(left)}")
    for part, reason in failed.items():
        print(f"failed: {part}: {reason}")
    print(json.dumps({**record, "left": left, "failed": failed}))
    return int(bool(failed))


def child(command: Sequence[str], options: Options, log: Path, **environment: str) -> int:
    """Run a command with its output in a log, until the time limit.

    Returns:
        Its exit status.

    Raises:
        OutOfTime: it was stopped (SIGTERM) at the limit.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    more = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"} | environment
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | more,
            start_new_session=True,
        )
        try:
            return process.wait(max(0.0, options.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        finally:
            _stop(process)


def python(code_or_file: str, *arguments: str) -> list[str]:
    """Return the command that runs a Python file, or code, with this interpreter."""
    if code_or_file.endswith(".py"):
        return [sys.executable, code_or_file, *arguments]
    return [sys.executable, "-c", code_or_file, *arguments]


def umi(*arguments: str) -> list[str]:
    """Return the command that runs `umi`, also where no such script is installed."""
    return python("from umi_lite.cli import main; main()", *arguments)


def last_line(log: Path) -> str:
    """Return the last line of a log."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def main_of(run: Callable[[], int]) -> None:
    """Run a script; a user's error is printed as one line and exits with status 2.

    SIGTERM acts like Ctrl-C: the child process is stopped too, with a checkpoint.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run())
    except UserError as err:
        print(f"error: {err}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; finished parts are kept", file=sys.stderr)
        sys.exit(130)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_RESERVE - 10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _machine() -> Figures:
    """Return the card, the machine and the versions that figures depend on."""
    from importlib import metadata

    found = versions()
    for package in ("llama-cpp-python", "triton", "xformers", "torchao"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"card": nvidia_card(), "machine": machine_record(cores()), "versions": found}


def _opened(path: Path, head: Figures, settings: Figures) -> Figures:
    """Return the record at `path` if it is of this machine and these settings, else a new one."""
    now = json.loads(json.dumps(settings))
    date = datetime.now(UTC).date().isoformat()
    fresh = {**head, "date": date, "settings": now, "figures": {}}
    if not path.is_file():
        return fresh
    kept = json.loads(path.read_text(encoding="utf-8"))
    for key in ("card", "settings", "versions"):
        if kept[key] != fresh[key]:
            raise UserError(
                f"{path} holds figures of another {key.removesuffix('s')} "
                f"({_differing(kept[key], fresh[key])}): move it away, or choose another --out"
            )
    return kept


def _differing(one: Any, other: Any) -> str:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return f"{one}, now {other}"
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return "; ".join(f"{key} {one.get(key)}, now {other.get(key)}" for key in keys)


def _show(record: Figures) -> None:
    """Print one table for each group of parts that have the same figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    tables: dict[tuple[str, ...], dict[str, Figures]] = {}
    for name, row in record["figures"].items():
        tables.setdefault(tuple(row), {})[name] = row
    console = Console()
    console.width = max(console.width, 220)  # lines of a table written to a file must not wrap
    for columns, rows in tables.items():
        title = f"{record['name']}: {record['card'] or 'CPU'}"
        table = Table(title=title, box=box.SIMPLE)
        table.add_column("", no_wrap=True)
        for column in columns:
            table.add_column(column)
        for name, row in rows.items():
            table.add_row(name, *(_cell(row[column]) for column in columns))
        console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
