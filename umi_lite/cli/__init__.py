"""The `umi` command: parses, calls one function, prints. `main` turns errors into exit codes."""

import errno
import os
import signal
import sys

from umi_lite.protocol.errors import UserError


def main() -> None:
    """Run `umi`: 0 done, 2 the user can mend it (one line), 130 interrupted.

    An internal error keeps its traceback.
    """
    sys.unraisablehook = _unraisable
    try:
        from umi_lite.cli.app import app
        from umi_lite.train.processes import is_main

        if not is_main():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
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
        if err.errno != errno.ENOSPC:
            raise
        _stop(f"no space left on the disk for {err.filename or 'the output'}: free some", 2)


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C in a callback or a destructor, where Python cannot raise it, ends umi as elsewhere."""
    if lost.exc_type is KeyboardInterrupt:
        _stop("interrupted", 130)
    sys.__unraisablehook__(lost)


def _stop(message: str, code: int) -> None:
    if code == 130:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from umi_lite.train.processes import end_behind_main, is_main

    if not is_main():
        end_behind_main(message, code)
    print(f"umi: {message}", file=sys.stderr)
    sys.stderr.flush()
    # Worker threads of torch or llama.cpp must not turn an interrupt into a hang or a crash.
    os._exit(code) if code == 130 else sys.exit(code)
