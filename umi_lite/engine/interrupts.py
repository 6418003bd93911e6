"""Ctrl-C while native code runs that calls back into Python.

Python handles a signal in the next Python code that runs. While llama.cpp works that is a callback,
where an exception is printed and lost. So the signal is noted there, and raised after the call.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Held:
    """`came` is True once Ctrl-C was pressed."""

    came: bool = False

    def not_yet(self, *_: object) -> bool:
        """Return False once Ctrl-C was pressed: llama.cpp's progress callback."""
        return not self.came


@contextmanager
def holding() -> Generator[Held]:
    """Hold Ctrl-C back until the end; the handler that was there is called then.

    Raises:
        KeyboardInterrupt: what the usual handler does with it.
    """
    held = Held()
    before = signal.getsignal(signal.SIGINT)
    # Signals are handled in the main thread alone, and an ignored one stays ignored.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield held
        return

    def note(*_: object) -> None:
        held.came = True

    signal.signal(signal.SIGINT, note)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, before)
        if held.came:
            before(signal.SIGINT, None)
