"""Files written whole or not at all, folder locks, cache and data folder, and hashes of files."""

import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError

# The bundle that runs where none is named: the one in the box.
DEFAULT_BUNDLE = Path(__file__).with_name("default")


def text_of(name: str) -> str:
    """Return a path's name as text for a file: bytes that are not UTF-8 become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def utf8(text: str, what: str) -> str:
    """Return a text of the command line or of a terminal as it was typed.

    In the locale C Python reads what is not ASCII as single bytes.

    Raises:
        UserError: it is not UTF-8; the message begins with `what`.
    """
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        raise UserError(f"{what} is not UTF-8 text") from None


def sync(path: Path) -> None:
    """Flush a file, or all files below a folder, to disk before a rename or mark vouches for it."""
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a new path next to `target`, which replaces it when the block ends well.

    For small files; a killed process may leave the new path. For large ones see `staged_file`.
    """
    work = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_native_id()}")
    try:
        yield work
        sync(work)
        work.replace(target)
    finally:
        with suppress(OSError):
            work.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as work:
        work.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, an empty one if the file does not exist."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a one-line error.

    Raises:
        UserError: instead of an OSError of the block: no folder, read-only, full, ...
    """
    try:
        yield
    except OSError as err:
        above = err.filename and Path(os.fsdecode(err.filename)) in target.parents
        where = f" ({err.filename})" if above else ""
        raise UserError(f"{target} cannot be written: {err.strerror or err}{where}") from err
    except UserError:
        raise
    except Exception as err:
        # safetensors and tokenizers give the system's error number in the message only.
        if not (number := re.search(r"os error (\d+)", str(err))):
            raise
        reason = os.strerror(int(number[1]))
        raise UserError(f"{target} cannot be written: {reason}") from err


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Yield a path of the same name on the same disk, which replaces `target` when all went well.

    What killed processes left of such paths is removed first.
    """
    with scratch(target) as parent:
        work = parent / target.name
        yield work
        sync(work)
        work.replace(target)


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder on the same disk, which replaces `target` when all went well.

    An older `target` is restored if the new one cannot take its place.
    """
    with scratch(target) as parent:
        work = parent / target.name
        work.mkdir()
        yield work
        sync(work)
        old = parent / ".replaced"
        if target.exists():
            target.rename(old)
        try:
            work.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Yield a folder next to `target`, on the same disk, that is removed when the block ends.

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


def lock(folder: Path) -> int | None:
    """Lock a folder for this process until the descriptor is closed.

    The kernel holds the lock: it ends with the process, and no file is left.

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


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file under another name where the disk allows it, else copy it."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def cache_folder() -> Path:
    """Return the folder of what can be made again: `$UMI_LITE_CACHE`, else in the user's cache.

    Raises:
        UserError: this user has no home folder, and no other folder is named.
    """
    named = os.environ.get("UMI_LITE_CACHE")
    try:
        if named:
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "umi_lite"
    except RuntimeError:
        raise UserError(
            "this user has no home folder for a cache: name one in UMI_LITE_CACHE"
        ) from None


def data_folder() -> Path:
    """Return the folder of what cannot be made again: `$UMI_LITE_DATA`, else in the user's data.

    Raises:
        UserError: this user has no home folder, and no other folder is named.
    """
    named = os.environ.get("UMI_LITE_DATA")
    try:
        if named:
            return Path(named).expanduser()
        data = os.environ.get("XDG_DATA_HOME")
        return (Path(data) if data else Path.home() / ".local" / "share") / "umi_lite"
    except RuntimeError:
        raise UserError(
            "this user has no home folder for data: name a folder in UMI_LITE_DATA"
        ) from None


def trim_cache(folder: Path, pattern: str, max_bytes: int) -> None:
    """Remove matching files, oldest modification time first, until the others fit.

    The user of a file marks it with `os.utime`.
    """
    files: list[tuple[float, int, Path]] = []
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process may have removed it
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    spare = sum(size for _, size, _ in files) - max_bytes
    for _, size, path in sorted(files):
        if spare <= 0:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            spare -= size


_CHUNK = 16 << 20


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file (0.1 s per 100 MB)."""
    # Large reads: after each one a thread waits for the interpreter, up to 5 ms.
    chunk = memoryview(bytearray(min(_CHUNK, path.stat().st_size + 1)))
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(chunk):
            digest.update(chunk[:count])
    return digest.hexdigest()


_SETTLED_NS = 2_000_000_000  # a younger file may change again within one tick of its time stamps
_HASHES_BYTES = 1 << 20
# Files that a thread hashes: the thread, and what it has found so far.
_AHEAD: dict[Path, tuple[threading.Thread, dict[Path, str]]] = {}


def hash_ahead(paths: Iterable[Path]) -> None:
    """Begin to hash files in a thread; the next `known_sha256` of each waits for its result.

    A file that cannot be read is left to that call, which raises the error.
    """
    files, found = list(paths), dict[Path, str]()

    def work() -> None:
        for path in files:
            with suppress(OSError):
                found[path] = _known_sha256(path)

    # A daemon: a program that ends early with an error does not wait for it.
    thread = threading.Thread(target=work, daemon=True)
    _AHEAD.update((path, (thread, found)) for path in files)
    thread.start()


def known_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file, from the cache folder if it was hashed before.

    It is hashed again when its size, inode or times have changed. A cache folder that cannot be
    read or written is ignored.
    """
    thread, found = _AHEAD.pop(path, (None, {}))
    if thread is not None:
        thread.join()
    return found.get(path) or _known_sha256(path)


def _known_sha256(path: Path) -> str:
    before = file_state(path)
    try:
        folder = cache_folder() / "hashes"
    except UserError:
        return sha256(path)
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    kept = folder / f"{name}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        record = json.loads(kept.read_text(encoding="utf-8"))
        if record["state"] == before and re.fullmatch(r"[0-9a-f]{64}", record["sha256"]):
            return record["sha256"]
    found = sha256(path)
    if file_state(path) == before and settled(before):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(kept, json.dumps({"state": before, "sha256": found}))
            trim_cache(folder, "*.json", _HASHES_BYTES)
    return found


def settled(state: list[int]) -> bool:
    """True if a file with this state (see `file_state`) cannot change without another state."""
    return max(state[-2:]) < time.time_ns() - _SETTLED_NS


def file_state(path: Path) -> list[int]:
    """Device, inode, size, and times of the last changes of content and of metadata, in ns."""
    now = path.stat()
    return [now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]
