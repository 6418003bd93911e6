"""Ctrl-C and SIGTERM stop training behind its current step, with a checkpoint."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from umi_lite.train.processes import any_of, is_main

_SAID = "stopping behind this step, with a checkpoint; once more ends it at once"


class Asked:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.to_stop = False

    def stop(self) -> None:
        self.to_stop = True
        if is_main():
            print(_SAID, file=sys.stderr, flush=True)

    def anywhere(self) -> bool:
        """Whether any of the run's processes was asked to: then all of them are, from now on.
        All of them must ask, behind the same step."""
        if any_of(self.to_stop) and not self.to_stop:
            self.stop()
        return self.to_stop


@contextmanager
def stopping() -> Iterator[Asked]:
    """Take SIGINT and SIGTERM as a wish to stop; a second one raises KeyboardInterrupt.

    Outside the main thread signals stay what they are.
    """
    asked = Asked()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.to_stop:
            raise KeyboardInterrupt
        asked.stop()

    with _handled(ask):
        yield asked


@contextmanager
def handing_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Hand SIGINT and SIGTERM on to a process that is to end by itself."""
    with _handled(lambda number, _: process.send_signal(number)):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[signal.Signals, object] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, handler)
    except ValueError:
        pass  # not the main thread
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)  # type: ignore[arg-type]
