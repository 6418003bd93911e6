"""As root: paths that only root can reach, shown to everybody in this process's own mounts.

For a Python below /root, whose user code must not run as root. Nobody else sees a change.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from umi_lite.sandbox import libc

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18


def show(paths: Iterable[str]) -> None:
    """Replace each folder on the way that is closed to others by one that holds only these paths.

    Raises:
        OSError: root without the right to mount, as in a container.
    """
    closed = {path: folder for path in sorted(paths) if (folder := _closed(Path(path)))}
    if not closed:
        return
    libc.unshare(_CLONE_NEWNS)
    libc.mount("none", "/", _MS_REC | _MS_PRIVATE)
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in closed}
    for folder in sorted(set(closed.values())):
        libc.mount("tmpfs", str(folder), 0, kind="tmpfs", options="mode=755")
    mask = os.umask(0o022)
    for path, opened in held.items():
        if not os.path.exists(path):  # else a folder above it is here already
            if stat.S_ISDIR(os.fstat(opened).st_mode):
                os.makedirs(path)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.close(os.open(path, os.O_CREAT, 0o644))
            libc.mount(f"/proc/self/fd/{opened}", path, _MS_BIND | _MS_REC)
        os.close(opened)
    os.umask(mask)


def _closed(path: Path) -> Path | None:
    """The outermost folder on the way to `path` that others cannot pass, None where they can."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH and folder.is_dir():
            return folder
    return None
