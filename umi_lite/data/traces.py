"""One's own episodes: traces as the agent wrote them, or trajectories as JSON lines.

A trace is a JSON object with a field `trajectory` (runtime/trace.py); only that is read, so a
trace of another version serves as long as its trajectory does.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from umi_lite.data.jsonl import BadRow, Row, jsonl_rows, list_rows, read_text
from umi_lite.data.loaded import Dropped, Loaded
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "a trace, or trajectories as JSON lines,"


def load(path: Path | str, n: int | None = None) -> Loaded:
    """The trajectories of a file or of a folder's files, at most `n`, in the names' order.

    `.jsonl` holds a trace or a trajectory a line, `.json` one or a list of them. An episode
    without a step (it crashed at once) is dropped: there is nothing in it to train on or score.

    Raises:
        UserError: there is no such file, or no .json or .jsonl file in the folder.
    """
    path = Path(path)
    files = sorted(f for f in path.iterdir() if _readable(f)) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no .json or .jsonl file in this folder; {_WHAT} is expected")
    loaded = Loaded([], [])
    for file in files:
        for row in _rows(file):
            if n is not None and len(loaded.trajectories) >= n:
                return loaded
            try:
                loaded.trajectories.append(_trajectory(row))
            except BadRow as err:
                loaded.dropped.append(Dropped(row.where, str(err)))
    return loaded


def save(trajectories: list[Trajectory], path: Path | str) -> None:
    """Write trajectories as JSON lines, under a temporary name first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        text = "".join(f"{t.model_dump_json()}\n" for t in trajectories)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as err:
        raise UserError(f"{path}: cannot be written ({err.strerror})") from None
    finally:
        part.unlink(missing_ok=True)


def _readable(file: Path) -> bool:
    return file.suffix in {".json", ".jsonl"} and not file.name.startswith(".")


def _rows(file: Path) -> Iterator[Row]:
    if file.suffix == ".jsonl":
        yield from jsonl_rows(file, _WHAT)
        return
    text = read_text(file, _WHAT)
    if text.lstrip().startswith("["):
        yield from list_rows(file, _WHAT)
        return
    try:
        value = json.loads(text)
    except json.JSONDecodeError as err:
        yield Row(f"{file}:{err.lineno}", 1, None, f"not JSON: {err.msg} (column {err.colno})")
        return
    if isinstance(value, dict):
        yield Row(f"{file}:1", 1, value)
    else:
        yield Row(f"{file}:1", 1, None, f"a JSON object is expected, not {type(value).__name__}")


def _trajectory(row: Row) -> Trajectory:
    if row.value is None:
        raise BadRow(row.fault)
    value = row.value.get("trajectory", row.value)
    try:
        trajectory = Trajectory.model_validate(value)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the row"
        raise BadRow(f"no trajectory: {where}: {first['msg']}") from None
    if not trajectory.steps:
        raise BadRow("the episode has no step")
    return trajectory
