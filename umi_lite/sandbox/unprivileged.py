"""A command as an unprivileged user, where this process is root."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

_DROP = """\
import os, sys
root, needed, command = sys.argv[1], sys.argv[2].split(os.pathsep), sys.argv[3:]
sys.path.insert(0, root)
from umi_lite.sandbox.confine import drop_root, show
from umi_lite.sandbox.libc import UNPRIVILEGED_ID
show(needed)
drop_root(UNPRIVILEGED_ID)
os.execv(command[0], command)
"""


def command(words: Sequence[str]) -> list[str]:
    """Return the command as it is, or, for root, one that gives up root first.

    A parent folder of the interpreter that is closed to others is shown with nothing but the
    interpreter and this package in it.

    Args:
        words: a command whose first word is this interpreter.
    """
    if os.geteuid() != 0:
        return list(words)
    root = str(Path(__file__).parents[2])
    needed = os.pathsep.join((sys.prefix, sys.base_prefix, str(Path(root) / "umi_lite")))
    return [words[0], "-I", "-S", "-c", _DROP, root, needed, *words]
