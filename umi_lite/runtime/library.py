"""llama.cpp's bindings: loaded once, their log kept for error messages."""

import ctypes
from collections import deque
from typing import Any

from umi_lite.protocol.errors import UserError

_LOG: deque[str] = deque(maxlen=8)
_ERROR_LEVELS = (3, 4)  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR
_callback: Any = None


class EngineError(RuntimeError):
    """llama.cpp failed in a way that no user can mend."""


def library() -> Any:
    """llama.cpp's bindings, initialised once, their log kept and not printed.

    Raises:
        UserError: it is not installed, or a library that it was built with is not found.
    """
    global _callback
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as err:
        raise UserError(f"llama.cpp cannot be loaded: {' '.join(str(err).split())}") from None

    if _callback is None:

        def keep(level: int, text: bytes, _: Any) -> None:
            if level in _ERROR_LEVELS:
                _LOG.append(text.decode("utf-8", "replace").strip())

        # The library keeps only a pointer: the callback must never be collected.
        _callback = llama_cpp.llama_log_callback(keep)
        llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
    return llama_cpp


def last_words() -> str:
    """llama.cpp's first complaint since `clear_log`."""
    lines = [line for line in _LOG if line]
    _LOG.clear()
    # The first complaint is the cause; those after it say that loading failed.
    return lines[0] if lines else "llama.cpp gave no reason"


def clear_log() -> None:
    """Forget what was said before."""
    _LOG.clear()


def filled(params: Any, **values: Any) -> Any:
    """The struct with these fields set; ctypes itself would take a name that there is not."""
    known = {name for name, *_ in params._fields_}
    for name, value in values.items():
        if name not in known:
            raise EngineError(f"llama.cpp's {type(params).__name__} has no {name}")
        setattr(params, name, value)
    return params
