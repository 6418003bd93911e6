"""Lines that a user types in a chat: edited with readline on a terminal, else read from stdin."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from umi_lite.errors import Note, UserError
from umi_lite.files import utf8

_MOST_LINES = 1000
_HISTORY = "chat_history"


@contextmanager
def lines(prompt: str) -> Iterator[Callable[[], str | None]]:
    """Give a function that returns the user's next text, without spaces around it, None at the end.

    A line that ends with a backslash continues on the next one. On a terminal the lines are kept
    in `chat_history` of the data folder, which only its user can read; Ctrl-C drops a line.

    Args:
        prompt: printed before each text on a terminal.
    """
    if sys.stdin.isatty():
        with _history() as remember:
            yield lambda: _typed(prompt, remember)
    else:
        yield _read


def _typed(prompt: str, remember: Callable[[str], None]) -> str | None:
    text = ""
    while True:
        try:
            line = input(prompt if not text else "... ")
        except EOFError:
            print()
            return None
        if not line.endswith("\\"):
            break
        text += f"{line[:-1]}\n"
    text = utf8(text + line, "the message").strip()
    if text:
        remember(text)
    return text


def _read() -> str | None:
    text = b""
    for line in iter(sys.stdin.buffer.readline, b""):
        text += line.rstrip(b"\r\n")
        if not text.endswith(b"\\"):
            break
        text = text[:-1] + b"\n"
    else:
        if not text:
            return None
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UserError("a line on stdin is not UTF-8 text") from None


@contextmanager
def _history() -> Iterator[Callable[[str], None]]:
    """Give a function that keeps a text in the history file; without readline it does nothing."""
    try:
        import readline
    except ImportError:  # a Python without it
        yield lambda text: None
        return
    path = _history_file()
    readline.set_auto_history(False)
    readline.clear_history()
    if path is not None:
        with suppress(OSError):
            readline.read_history_file(path)

    def remember(text: str) -> None:
        last = readline.get_current_history_length()
        if last and readline.get_history_item(last) == text:
            return
        readline.add_history(text)
        if path is not None:
            # At once: a kill loses no line.
            with suppress(OSError):
                readline.set_history_length(_MOST_LINES)
                readline.write_history_file(path)

    try:
        yield remember
    finally:
        readline.set_auto_history(True)


def _history_file() -> Path | None:
    """Return the history file, made if it is missing; None and a `Note` if it cannot be."""
    from umi_lite.files import data_folder

    try:
        path = data_folder() / _HISTORY
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return path
    except (OSError, UserError) as err:
        why = err.strerror if isinstance(err, OSError) else err
        warnings.warn(f"the chat's history is not kept: {why}", Note, stacklevel=4)
        return None
