"""The `umi` command: parses, calls one function, prints. `main` turns errors into exit codes."""

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from umi_lite.errors import Note, UserError


def main() -> None:
    """Run `umi`: 0 done, 1 without the result, 2 the user can mend it (one line), 130 interrupted.

    An internal error keeps its traceback.
    """
    sys.unraisablehook = _unraisable
    try:
        from umi_lite.cli.app import app
        from umi_lite.cli.output import prepare_streams
        from umi_lite.ranks import is_main

        if not is_main():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        prepare_streams()
        _print_notes_as_they_are()
        app(standalone_mode=True)
    except UserError as err:
        _stop(str(err), 2)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except SystemExit as stop:
        # typer turns an interrupt into this one, and says nothing.
        if stop.code == 130:
            _stop("interrupted", 130)
        # What is left to do is to end: no traceback from an interrupted exit.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda *_: _stop("interrupted", 130))
        raise
    except OSError as err:
        message = _user_can_mend(err)
        if message is None:
            raise
        _stop(message, 2)


def _user_can_mend(err: OSError) -> str | None:
    """One line for a file or folder that refuses; None for a fault of this program.

    That is where no file is named, or one that was installed with this program.
    """
    import errno

    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk for {err.filename or 'the output'}: free some"
    if not isinstance(err.filename, str | bytes) or err.strerror is None:
        return None
    name = os.fsdecode(err.filename)
    installed = (Path(__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix) / "lib")
    if any(Path(os.path.abspath(name)).is_relative_to(folder) for folder in installed):
        return None
    other = err.filename2
    where = f"{name} -> {os.fsdecode(other)}" if isinstance(other, str | bytes) else name
    return f"{where}: {err.strerror}"


def _print_notes_as_they_are() -> None:
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Note):
            _print(str(message))
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show


def _print(message: str) -> None:
    """One line on stderr; a message may quote a file or a model."""
    from umi_lite.sandbox.text import visible

    print(f"umi: {visible(message)}", file=sys.stderr, flush=True)


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C in a callback or a destructor, where Python cannot raise it, ends umi as elsewhere."""
    if lost.exc_type is KeyboardInterrupt:
        _stop("interrupted", 130)
    sys.__unraisablehook__(lost)


def _stop(message: str, code: int) -> None:
    if code == 130:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from umi_lite.ranks import end_after_main, is_main

    if not is_main():
        end_after_main(message, code)
    _print(message)
    # Worker threads of torch or llama.cpp must not turn an interrupt into a hang or a crash.
    os._exit(code) if code == 130 else sys.exit(code)
