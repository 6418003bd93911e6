"""llama.cpp's bindings: loaded once, their log, and Ctrl-C during their calls."""

import ctypes
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from umi_lite.errors import UserError

_WARN, _ERROR = 3, 4  # GGML_LOG_LEVEL_WARN and _ERROR (ggml/include/ggml.h)
# The first warnings and errors since `clear_log`, by level.
_LOG: dict[int, list[str]] = {_WARN: [], _ERROR: []}
_KEPT = 8  # of each level: a load may warn once per tensor
_callback: Any = None


class EngineError(RuntimeError):
    """llama.cpp failed in a way that the user cannot fix."""


def library() -> Any:
    """Return llama.cpp's bindings, initialised once, their log kept and not printed.

    Raises:
        UserError: it is not installed, or a library that it was built with is not found.
    """
    global _callback
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as err:
        raise UserError(f"llama.cpp cannot be loaded: {' '.join(str(err).split())}") from None

    if _callback is None:
        # The library keeps only a pointer: the callback must never be collected.
        _callback = llama_cpp.llama_log_callback(keep_line)
        llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
    return llama_cpp


def keep_line(level: int, text: bytes, _: Any = None) -> None:
    """Keep a line of llama.cpp's log if it is a warning or an error."""
    lines = _LOG.get(level)
    if (
        lines is not None
        and len(lines) < _KEPT
        and (line := text.decode("utf-8", "replace").strip())
    ):
        lines.append(line)


def last_reason() -> str:
    """Return llama.cpp's reason since `clear_log`: its first error, else its first warning.

    The first error is the cause, and the errors after it say that loading failed. Warnings
    before it are not: with an adapter llama.cpp warns of every tensor that it keeps elsewhere.
    """
    lines = [*_LOG[_ERROR], *_LOG[_WARN]]
    clear_log()
    return lines[0] if lines else "llama.cpp gave no reason"


def clear_log() -> None:
    """Forget the log so far."""
    for lines in _LOG.values():
        lines.clear()


def filled(params: Any, **values: Any) -> Any:
    """Return the struct with these fields set; ctypes alone would accept unknown names."""
    known = {name for name, *_ in params._fields_}
    for name, value in values.items():
        if name not in known:
            raise EngineError(f"llama.cpp's {type(params).__name__} has no {name}")
        setattr(params, name, value)
    return params


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
