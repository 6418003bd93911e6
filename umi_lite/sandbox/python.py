"""Runs a Python program in a process of its own, within limits.

The child is `python -I -S` (no site-packages, no environment) in a fresh directory and a
fresh session; its whole process group is killed at the end, whatever happened.
"""

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from umi_lite.sandbox.text import head_and_tail

Limit = Literal["time", "memory", "output"]
_CHILD = Path(__file__).with_name("child.py")
_GRACE = 0.5
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Attributes:
        seconds: wall time; CPU time is limited to the same, rounded up.
        memory_mib: address space, the interpreter's own ~30 MiB included.
        output_chars: how much output is kept (head and tail); a program that writes
            `flood_mib` is killed.
        file_mib: size of one file it writes.
        open_files: open file descriptors.
    """

    seconds: float = 5.0
    memory_mib: int = 512
    output_chars: int = 4000
    flood_mib: int = 16
    file_mib: int = 16
    open_files: int = 64


@dataclass(frozen=True)
class Result:
    """What came of a program.

    Attributes:
        status: `ok`; `error` it raised or exited non-zero; `limit` it was stopped;
            `crash` the process died by a signal.
        stdout: stdout and stderr together, bounded.
        value: the last expression's value (repr; a str as it is), None without one.
        error: one line, e.g. `ZeroDivisionError: division by zero (line 2)`.
        limit: which limit was hit.
        seconds: wall time.
    """

    status: Literal["ok", "error", "limit", "crash"]
    stdout: str = ""
    value: str | None = None
    error: str | None = None
    limit: Limit | None = None
    seconds: float = 0.0


def run_python(code: str, limits: Limits | None = None) -> Result:
    """Run a program and say what came of it. Never raises for the program's fault."""
    limits = limits or Limits()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="umi-", ignore_cleanup_errors=True) as folder:
        process, pipe = _start(code, limits, folder)
        try:
            output, lost, result, stopped = _collect(
                process, pipe, limits, started + limits.seconds
            )
        finally:
            _kill_group(process.pid)
            os.close(pipe)
            assert process.stdout is not None
            process.stdout.close()
            status = process.wait()
    text = head_and_tail(output.decode("utf-8", "replace"), limits.output_chars, lost)
    verdict = _verdict(result, stopped, status, limits)
    return Result(stdout=text, seconds=time.monotonic() - started, **verdict)


def _start(code: str, limits: Limits, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    read_end, write_end = os.pipe()
    settings = {**asdict(limits), "cpu_seconds": max(1, math.ceil(limits.seconds))}
    try:
        # A file, not a pipe: a long program cannot block its own delivery.
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(_CHILD)]
        command += [json.dumps(settings), str(write_end)]
        with tempfile.TemporaryFile() as source:
            source.write(code.encode("utf-8", "replace"))
            source.seek(0)
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(write_end,),
                cwd=folder,
                env={},
                start_new_session=True,
            )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    return process, read_end


def _collect(
    process: subprocess.Popen[bytes], pipe: int, limits: Limits, deadline: float
) -> tuple[bytes, int, bytes, Limit | None]:
    """Output (bounded), bytes lost of it, the result line, and the limit enforced here."""
    assert process.stdout is not None
    stdout = process.stdout.fileno()
    watch = os.pidfd_open(process.pid)
    kept = {stdout: bytearray(), pipe: bytearray()}
    written = lost = 0
    stopped: Limit | None = None
    try:
        with selectors.DefaultSelector() as selector:
            for source in (stdout, pipe, watch):
                selector.register(source, selectors.EVENT_READ)
            while len(selector.get_map()) > 0:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    if watch in selector.get_map():
                        stopped = stopped or "time"
                        _kill_group(process.pid)
                        deadline = time.monotonic() + _GRACE
                        selector.unregister(watch)
                        continue
                    break  # somebody outside the group still holds the pipe
                for key, _ in ready:
                    if key.fd == watch:
                        # Left-over children must not keep us waiting for the pipe's end.
                        _kill_group(process.pid)
                        deadline = time.monotonic() + _GRACE
                        selector.unregister(watch)
                        continue
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        selector.unregister(key.fd)
                    written += len(data)
                    dropped = _keep(kept[key.fd], data, 4 * limits.output_chars)
                    lost += dropped if key.fd == stdout else 0
                    if written > limits.flood_mib << 20 and stopped is None:
                        stopped = "output"
                        _kill_group(process.pid)
    finally:
        os.close(watch)
    return bytes(kept[stdout]), lost, bytes(kept[pipe]), stopped


def _keep(buffer: bytearray, data: bytes, room: int) -> int:
    """Append, keeping at least `room` bytes of head and of tail; the number of bytes lost."""
    buffer += data
    if len(buffer) <= 4 * room + _CHUNK:
        return 0
    lost = len(buffer) - 2 * room
    del buffer[room : len(buffer) - room]
    return lost


def _verdict(result: bytes, stopped: Limit | None, status: int, limits: Limits) -> dict[str, Any]:
    if stopped is None and status == -signal.SIGXCPU:
        stopped = "time"
    told: dict[str, Any] = {}
    if stopped is None and result:
        try:
            told = json.loads(result)
        except ValueError:
            told = {"status": "error", "error": "the program garbled its own result"}
    stopped = stopped or told.get("limit")
    if stopped is not None:
        allowed = {
            "time": f"{limits.seconds:g} s",
            "memory": f"{limits.memory_mib} MiB",
            "output": f"{limits.flood_mib} MiB",
        }[stopped]
        return {"status": "limit", "limit": stopped, "error": f"{stopped} limit: {allowed}"}
    if told:
        for key in ("value", "error"):
            if told.get(key) is not None:
                text = str(told[key]).encode("utf-8", "replace").decode()
                told[key] = head_and_tail(text, limits.output_chars)
        return told
    if status < 0:
        return {"status": "crash", "error": f"the program died by signal {-status}"}
    if status:
        return {"status": "error", "error": f"the program exited with status {status}"}
    return {"status": "ok"}


def _kill_group(group: int) -> None:
    # No such process: nobody of it is left, which was wanted.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
