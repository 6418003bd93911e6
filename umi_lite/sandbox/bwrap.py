"""Level `full`: bubblewrap around the supervisor, all namespaces its own.

Inside there are a process table, network, IPC and host name without anybody else, and a file
system of what `places.shown` names, all of it read-only. There is no /proc, home or /run.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import PurePath


def program() -> str | None:
    """Where bubblewrap is, None where it is not installed."""
    return shutil.which("bwrap")


def command(bwrap: str, shown: Sequence[str]) -> list[str]:
    """What to put before a command, to run it inside. As root, no user namespace is needed.

    Args:
        shown: existing paths; a command can read these, nothing else.
    """
    namespaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    namespaces += ["--unshare-cgroup-try", "--hostname", "sandbox"]
    if os.geteuid() == 0:
        # Only to become somebody else.
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        rights = ["--unshare-user", "--cap-drop", "ALL"]
    # Made here for everybody: bubblewrap would close a parent folder that is closed outside.
    parents = {str(parent) for path in shown for parent in PurePath(path).parents}
    paths = [word for parent in sorted(parents - {"/"}) for word in ("--dir", parent)]
    paths += [word for path in shown for word in ("--ro-bind", path, path)]
    paths += ["--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/", "--chdir", "/"]
    # As process 1 the supervisor takes everything inside along when it dies.
    return [bwrap, *namespaces, *rights, *paths, "--new-session", "--as-pid-1", "--"]
