"""Folders of files that can be made again: bounded, the least recently used go first."""

from contextlib import suppress
from pathlib import Path


def make_room(folder: Path, pattern: str, max_bytes: int) -> None:
    """Drop matching files, by their modification time, until the others fit.

    Whoever uses a file marks it with `os.utime`.
    """
    files: list[tuple[float, int, Path]] = []
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process may have dropped it
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    spare = sum(size for _, size, _ in files) - max_bytes
    for _, size, path in sorted(files):
        if spare <= 0:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            spare -= size
