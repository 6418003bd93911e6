"""Files that are there whole or not at all, and folders that one process holds a lock on."""

import fcntl
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from umi_lite.errors import UserError


def text_of(name: str) -> str:
    """A path's name as text that a file can hold: bytes that are not UTF-8 become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def sync(path: Path) -> None:
    """Put a file on disk, so that no rename or mark is there before what it stands for."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        work.write_text(text, encoding="utf-8")
        sync(work)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write into one line.

    Raises:
        UserError: instead of an OSError of the block: no folder, read-only, full, ...
    """
    try:
        yield
    except OSError as err:
        where = f" ({err.filename})" if err.filename and Path(err.filename) != target else ""
        raise UserError(f"{target} cannot be written: {err.strerror or err}{where}") from err
    except Exception as err:
        # What safetensors and tokenizers raise has the system's number in its text alone.
        if not (number := re.search(r"os error (\d+)", str(err))):
            raise
        reason = os.strerror(int(number[1]))
        raise UserError(f"{target} cannot be written: {reason}") from err


def lock(folder: Path) -> int | None:
    """Lock a folder for this process until the descriptor is closed.

    The kernel holds the lock: a process that dies lets go of it, and no file is left.

    Returns:
        The descriptor; None where the file system has no locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(held)
        if isinstance(err, BlockingIOError):
            raise
        return None
    return held


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """A folder next to `target`, on the same disk, that is gone when the block ends.

    What killed processes left of such folders is removed first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    work, held = _new(target)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if held is not None:
            os.close(held)


def _new(target: Path) -> tuple[Path, int | None]:
    while True:
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            held = lock(work)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process's sweep was quicker than the lock
        if work.is_dir():
            return work, held


def _sweep(target: Path) -> None:
    made_here = re.compile(rf"\.{re.escape(target.name)}-[a-z0-9_]{{8}}")  # as mkdtemp names it
    for path in target.parent.glob(f".{glob.escape(target.name)}-*"):
        if not made_here.fullmatch(path.name) or not path.is_dir():
            continue
        try:
            held = lock(path)
        except OSError:
            continue  # in use, or gone by now
        if held is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


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
