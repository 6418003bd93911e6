"""What a test may not leave: processes, descriptors, threads."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def alive(pid: int) -> bool:
    """True if a process runs; one that ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Wait until it is true; fail with `what` if it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if alive(child.pid)}


def _descriptors() -> set[str]:
    return {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()}


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that the block leaves no process, pipe, socket or thread."""
    children, threads = _children(), threading.active_count()
    pipes = _descriptors()
    yield
    until(lambda: _children() <= children, "a process is left")
    until(lambda: threading.active_count() <= threads, "a thread is left")
    until(lambda: _descriptors() <= pipes, f"left open: {_descriptors() - pipes}")
