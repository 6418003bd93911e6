"""What the GPU scripts share: their arguments, what a figure is read with, parts that resume.

A script is a list of parts. The figures of each are in `OUT/NAME.json` as soon as they are
there, so that a second call does the parts that are missing, and every call ends in time.
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
# Of the minutes, what stopping a child with a checkpoint may take.
_RESERVE = 45.0


class OutOfTime(Exception):
    """The minutes are nearly over; another call goes on."""


@dataclass(frozen=True)
class Told:
    """A script's arguments, resolved.

    Attributes:
        out: where the figures go; work: where runs and weights are kept between calls.
        only: parts whose name contains it.
        deadline: of `time.monotonic()`, by which a part has to end.
        more: the script's own arguments.
    """

    tiny: bool
    out: Path
    work: Path
    only: str
    deadline: float
    more: argparse.Namespace = field(default_factory=argparse.Namespace)


def arguments(doc: str, own: Callable[[argparse.ArgumentParser], None] | None = None) -> Told:
    """Parse the command line.

    Raises:
        UserError: there is no card, and `--tiny` was not said.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a tiny shape, on the CPU too")
    parser.add_argument("--out", type=Path, help="where NAME.json goes; default results/ here")
    parser.add_argument("--work", type=Path, help="runs and weights; default runs/gpu")
    parser.add_argument("--minutes", type=float, default=8.0, help="end before them; default 8")
    parser.add_argument("--only", default="", help="the parts whose name contains this")
    if own:
        own(parser)
    told = parser.parse_args()
    if not told.tiny and nvidia_card() is None:
        raise UserError("no NVIDIA card here (nvidia-smi): --tiny runs the script on the CPU")
    # A figure of a tiny shape must never stand where measured ones do.
    work = told.work or ROOT / "runs" / ("gpu-tiny" if told.tiny else "gpu")
    out = told.out or (work / "results" if told.tiny else HERE / "results")
    deadline = time.monotonic() + 60 * told.minutes - min(_RESERVE, 10 * told.minutes)
    return Told(told.tiny, out.absolute(), work.absolute(), told.only, deadline, told)


def run_parts(name: str, told: Told, settings: Figures, parts: Mapping[str, Part]) -> int:
    """Do the parts that have no figures yet; print the table, what is left, and the JSON line.

    A part that raises `OutOfTime` is left for the next call. One that fails is told and is
    not recorded; the others go on.

    Returns:
        The exit status: 1 where a part failed.

    Raises:
        UserError: the file's figures are of another card or of other settings.
    """
    path = told.out / f"{name}.json"
    record = _opened(path, {"name": name, "tiny": told.tiny, **_machine()}, settings)
    failed: dict[str, str] = {}
    left: list[str] = []
    for part, measure in parts.items():
        if part in record["figures"] or told.only not in part:
            continue
        if left or time.monotonic() > told.deadline:
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
        print(f"left for another call: {', '.join(left)}")
    for part, reason in failed.items():
        print(f"failed: {part}: {reason}")
    print(json.dumps({**record, "left": left, "failed": failed}))
    return int(bool(failed))


def child(command: Sequence[str], told: Told, log: Path, **environment: str) -> int:
    """Run a command, its words in a log, until the minutes are over.

    Returns:
        Its exit status.

    Raises:
        OutOfTime: it was asked to stop (SIGTERM), and did.
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
            return process.wait(max(0.0, told.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        finally:
            _stop(process)


def python(code_or_file: str, *arguments: str) -> list[str]:
    """The command that runs a Python file, or code, with this interpreter."""
    if code_or_file.endswith(".py"):
        return [sys.executable, code_or_file, *arguments]
    return [sys.executable, "-c", code_or_file, *arguments]


def umi(*arguments: str) -> list[str]:
    """The command that runs `umi`, where no script of that name is installed too."""
    return python("from umi_lite.cli import main; main()", *arguments)


def last_line(log: Path) -> str:
    """What a child said last."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def main_of(run: Callable[[], int]) -> None:
    """Run a script; what the user can mend is told in one line, with status 2.

    SIGTERM ends it as Ctrl-C does: its child is stopped too, with a checkpoint.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run())
    except UserError as err:
        print(f"error: {err}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the parts that are done are kept", file=sys.stderr)
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
    """What a figure must be read with."""
    from importlib import metadata

    found = versions()
    for package in ("llama-cpp-python", "triton", "xformers", "torchao"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"card": nvidia_card(), "machine": machine_record(cores()), "versions": found}


def _opened(path: Path, head: Figures, settings: Figures) -> Figures:
    """The record at `path` where it is one of this machine and settings, else a new one."""
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
                f"({_differing(kept[key], fresh[key])}): move it away, or name another --out"
            )
    return kept


def _differing(one: Any, other: Any) -> str:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return f"{one}, now {other}"
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return "; ".join(f"{key} {one.get(key)}, now {other.get(key)}" for key in keys)


def _show(record: Figures) -> None:
    """A table for the parts that have the same figures, one below another."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    tables: dict[tuple[str, ...], dict[str, Figures]] = {}
    for name, row in record["figures"].items():
        tables.setdefault(tuple(row), {})[name] = row
    console = Console()
    console.width = max(console.width, 220)  # a table in a file is not to be folded
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
