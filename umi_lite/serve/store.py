"""The trace store: one SQLite file with every episode, searched by words, tool, ending and time."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError, first_error
from umi_lite.files import data_folder
from umi_lite.protocol.roles import step_text
from umi_lite.serve.query import INSTRUCTION, Entry, Query, conditions

_SCHEMA = """
CREATE TABLE traces (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    began REAL NOT NULL,      -- seconds since 1970
    change INTEGER NOT NULL,  -- grows with each save to the file
    writer INTEGER,           -- the process that still runs the episode
    stop TEXT NOT NULL,
    failed INTEGER NOT NULL,
    instruction TEXT NOT NULL,
    answer TEXT,
    tools TEXT NOT NULL,      -- the called ones, a line each
    calls INTEGER NOT NULL,
    seconds REAL NOT NULL,
    tokens INTEGER NOT NULL,
    model TEXT,
    bundle TEXT,
    json TEXT NOT NULL
);
CREATE INDEX by_time ON traces (began);
CREATE INDEX by_change ON traces (change);
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'trigram');
"""
_VERSION = 1
_WAIT = 5.0  # seconds for another process's save
# One thread at a time opens a file: to close any descriptor of a file ends every lock that its
# process holds on it, those of open connections too (POSIX).
_OPENING = threading.Lock()
_SHOWN = (
    f"id, began, change, writer, stop, failed, substr(instruction, 1, {INSTRUCTION}), answer, "
    "tools, calls, seconds, tokens, model, bundle"
)


class TraceStore:
    """Traces in one SQLite file (WAL), which a user can delete at any time.

    It is safe to use from several threads and processes. A save is one transaction: after a kill
    the file holds the trace as it was saved before, or the new one.

    Args:
        path: default `traces.db` in the data folder (`files.data_folder`). The file is made by the
            first save, readable by its user alone.

    Every method raises UserError where the file cannot be read or written.
    """

    def __init__(self, path: Path | None = None):
        self._path = path
        self._lock = threading.RLock()
        self._held: tuple[sqlite3.Connection, tuple[int, int]] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path or data_folder() / "traces.db"

    def save(self, trace: Trace, *, running: bool = False) -> str:
        """Save a trace, in place of the one with the same id; return its id.

        Args:
            running: the episode has not ended: a list shows it as `running` while this process
                lives.
        """
        ident, text = trace.trajectory.id, searched(trace)
        row = asdict(Entry.of(trace, running=running))
        del row["change"], row["state"]
        row |= {
            "writer": os.getpid() if running else None,
            "stop": trace.stop,
            "tools": "\n".join(row["tools"]),
            "json": trace.model_dump_json(),
        }
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        update = ", ".join(f"{name} = excluded.{name}" for name in row)
        with self._writing() as db:
            (change,) = db.execute("SELECT coalesce(max(change), 0) + 1 FROM traces").fetchone()
            (key,) = db.execute(
                f"INSERT INTO traces ({names}, change) VALUES ({values}, :change) "
                f"ON CONFLICT (id) DO UPDATE SET {update}, change = :change RETURNING key",
                row | {"change": change},
            ).fetchone()
            db.execute("INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)", (key, text))
        return ident

    def remove(self, ident: str) -> None:
        """Remove the trace with this id, if there is one."""
        with self._writing() as db:
            for key in db.execute("DELETE FROM traces WHERE id = ? RETURNING key", (ident,)):
                db.execute("DELETE FROM words WHERE rowid = ?", key)

    def list(self, query: Query | None = None) -> list[Entry]:
        """Return what matches, newest first."""
        query = query or Query()
        tests, values = conditions(query)
        where = f"WHERE {' AND '.join(tests)}" if tests else ""
        most = -1 if query.most is None else query.most
        with self._reading() as db:
            if db is None:
                return []
            rows = db.execute(
                f"SELECT {_SHOWN} FROM traces {where} ORDER BY began DESC, key DESC LIMIT ?",
                [*values, most],
            ).fetchall()
        return [_entry(row) for row in rows]

    def load(self, ident: str) -> Trace:
        """Return a trace.

        Args:
            ident: its id, the beginning of one, or `last` for the newest.

        Raises:
            UserError: there is none, or several begin so.
        """
        try:
            return Trace.model_validate_json(self.json(ident))
        except ValidationError as err:
            why = first_error(err)
            raise UserError(
                f"trace {ident} in {self.path} is not a trace of version 1: {why}"
            ) from None

    def json(self, ident: str) -> str:
        """Return a trace as it was saved, as JSON; see `load`."""
        with self._reading() as db:
            found = [] if db is None else _find(db, ident)
        if not found:
            raise UserError(f"no trace {ident!r} in {self.path}; `umi trace ls` lists them")
        if len(found) > 1:
            names = ", ".join(name for name, _ in found)
            raise UserError(f"trace {ident!r} could be each of {names}, …: give more of its id")
        return found[0][1]

    def newest(self) -> int:
        """Return the last save's `Entry.change`, 0 before the first one."""
        with self._reading() as db:
            if db is None:
                return 0
            return db.execute("SELECT coalesce(max(change), 0) FROM traces").fetchone()[0]

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            held, self._held = self._held, None
            if held is not None:
                held[0].close()

    def __enter__(self) -> "TraceStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> "Iterator[sqlite3.Connection]":
        with self._lock, self._errors("cannot be written"):
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> "Iterator[sqlite3.Connection | None]":
        """Yield the connection, None if nothing was saved yet."""
        with self._lock, self._errors("cannot be read"):
            yield self._connection() if self.path.exists() else None

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            fix = "; move it away or delete it" if type(err) is sqlite3.DatabaseError else ""
            raise UserError(f"trace store {self.path} {what}: {err}{fix}") from None
        except OSError as err:
            raise UserError(f"trace store {self.path} {what}: {err.strerror or err}") from None

    def _connection(self) -> sqlite3.Connection:
        """Return the open file, opened again if a user has deleted or replaced it."""
        if self._held is not None:
            db, inode = self._held
            if _inode(self.path) == inode:
                return db
            self.close()
        with _OPENING:
            db = _open(self.path)
        self._held = db, _inode(self.path) or (0, 0)
        return db


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # SQLite gives its other files the permissions of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
    db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.create_function("lives", 1, _lives)
    _use_wal(db)
    # In WAL mode the file stays whole after a power cut too; only the newest saves may be lost.
    db.execute("PRAGMA synchronous = NORMAL")
    if _version(db) == 0:
        db.execute("BEGIN IMMEDIATE")
        if _version(db) == 0:  # no other process was quicker
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    if _version(db) != _VERSION:
        raise UserError(
            f"trace store {path} is of version {_version(db)}, this program's is {_VERSION}: "
            "use the newer umi_lite, or move the file away"
        )


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to a write-ahead log, waiting for other connections that do the same.

    SQLite's own timeout does not hold here: of two connections that both read and want to switch,
    it fails one at once, since neither could go first.
    """
    end = time.monotonic() + _WAIT
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as err:
            if err.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.005)


def _version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def searched(trace: Trace) -> str:
    """Return the text of a trace that a search looks at: instruction, turns, error, bundle."""
    made = trace.trajectory
    parts = [made.id, made.instruction, *(step_text(step, made.tools) for step in made.steps)]
    text = "\n".join([*parts, trace.error or "", trace.bundle or ""])
    return text.replace("\0", " ")  # the index ends at a NUL


def _find(db: sqlite3.Connection, ident: str) -> list[tuple[str, str]]:
    """Return (id, JSON) of the trace, or of the first few that begin so."""
    if ident == "last":
        order = "ORDER BY began DESC, key DESC LIMIT 1"
        return db.execute(f"SELECT id, json FROM traces {order}").fetchall()
    found = db.execute("SELECT id, json FROM traces WHERE id = ?", (ident,)).fetchall()
    if found or not ident:
        return found
    begin = "SELECT id, json FROM traces WHERE substr(id, 1, ?) = ? LIMIT 3"
    return db.execute(begin, (len(ident), ident)).fetchall()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another user's
    return True


def _entry(row: tuple) -> Entry:
    ident, began, change, writer, stop, failed, instruction, answer, tools, *rest = row
    state = stop if writer is None else "running" if _lives(writer) else "killed"
    called = tuple(tools.split("\n")) if tools else ()
    broken = bool(failed) or state == "killed"
    return Entry(ident, began, change, state, broken, instruction, answer, called, *rest)
