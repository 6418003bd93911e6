"""The `umi` command: parses, calls one function, prints. `main` turns errors into exit codes."""

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from umi_lite.errors import Note, UserError


def main() -> None:
    """Run `umi`. Exit codes: 0 done, 1 no result, 2 an error of the user's (one line), 130 Ctrl-C.

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
        _show_notes()
        app(standalone_mode=True)
    except UserError as err:
        _stop(str(err), 2)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except SystemExit as stop:
        # typer turns an interrupt into this exit, without a message.
        if stop.code == 130:
            _stop("interrupted", 130)
        # Only the exit is left: no traceback if that is interrupted.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda *_: _stop("interrupted", 130))
        raise
    except OSError as err:
        message = _user_error(err)
        if message is None:
            raise
        _stop(message, 2)


def _user_error(err: OSError) -> str | None:
    """Return one line for an error of the system about a file; None for a bug of this program.

    It is a bug where no file is named, or one that was installed with this program.
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


def _show_notes() -> None:
    """Print each `Note` as one line, without file and line number."""
    default = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Note):
            _print(str(message))
        else:
            default(message, category, *where, **more)

    warnings.showwarning = show


def _print(message: str) -> None:
    """Print one line to stderr; a message may quote a file or a model."""
    from umi_lite.sandbox.text import visible

    print(f"umi: {visible(message)}", file=sys.stderr, flush=True)


def _unraisable(error: "sys.UnraisableHookArgs") -> None:
    """End umi after Ctrl-C in a callback or a destructor, where Python cannot raise it."""
    if error.exc_type is KeyboardInterrupt:
        _stop("interrupted", 130)
    sys.__unraisablehook__(error)


def _stop(message: str, code: int) -> None:
    if code == 130:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from umi_lite.ranks import end_after_main, is_main

    if not is_main():
        end_after_main(message, code)
    _print(message)
    # Worker threads of torch or llama.cpp must not turn an interrupt into a hang or a crash.
    os._exit(code) if code == 130 else sys.exit(code)
