"""Runs a command as nobody of importance, where this process is root."""

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from umi_lite.protocol.errors import UserError
from umi_lite.sandbox import bwrap
from umi_lite.sandbox.confine import NOBODY

_DROP = f"""\
import os, sys
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
os.execv(sys.argv[1], sys.argv[1:])
"""


def command(words: Sequence[str]) -> list[str]:
    """The command as it is, or, for root, one that gives root up first.

    A folder on the way to the interpreter that is closed to others is shown with nothing but
    the interpreter and this package in it; bubblewrap does that.

    Args:
        words: a command whose first word is this interpreter.

    Raises:
        UserError: root's interpreter is closed to others and there is no bubblewrap.
    """
    if os.geteuid() != 0:
        return list(words)
    dropped = [words[0], "-I", "-S", "-c", _DROP, *words]
    needed = {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1]}
    closed = {folder for path in needed if (folder := _closed(path)) is not None}
    if not closed:
        return dropped
    program = bwrap.program()
    if program is None:
        names = ", ".join(sorted(map(str, closed)))
        raise UserError(
            f"{names} is closed to other users, so only root can run this Python: "
            "install bubblewrap, or use a Python that everybody can read"
        )
    view = ["--dev-bind", "/", "/"]
    for folder in sorted(closed):
        view += ["--tmpfs", str(folder)]
    inside = sorted(path for path in needed if any(path.is_relative_to(c) for c in closed))
    for path in inside:
        for parent in reversed(path.parents):
            if any(parent.is_relative_to(c) and parent != c for c in closed):
                view += ["--dir", str(parent)]
        view += ["--ro-bind", str(path), str(path)]
    return [program, *view, "--die-with-parent", "--", *dropped]


def _closed(path: Path) -> Path | None:
    """The outermost folder on the way to `path` that others cannot pass, None where they can."""
    for folder in (*reversed(path.parents), path):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
