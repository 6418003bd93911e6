"""One's own episodes: traces as the agent wrote them, or trajectories as JSON lines.

A trace is a JSON object with a field `trajectory` (runtime/trace.py); only that is read, so a
trace of another version serves as long as its trajectory does.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from umi_lite.data.json_list import list_rows
from umi_lite.data.jsonl import BadRow, Row, checked, jsonl_rows, make_row
from umi_lite.data.loaded import Loaded, collect, outcomes
from umi_lite.data.place import HubData, Place, opened
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.files import write_text
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "a trace, or trajectories as JSON lines,"
_HEAD = 4096


def load(path: Place, n: int | None = None) -> Loaded:
    """The trajectories of a file or of a folder's files, at most `n`, in the names' order.

    `.jsonl` holds a trace or a trajectory a line, `.json` one or a list of them. An episode
    without a step (it crashed at once) is dropped: there is nothing in it to train on or score.

    Raises:
        UserError: there is no such file, or no .json or .jsonl file in the folder.
    """
    return collect(outcomes(_all_rows(path), _trajectory), n)


def save(trajectories: list[Trajectory], path: Path | str) -> None:
    """Write trajectories as JSON lines, under a temporary name first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_text(path, "".join(f"{t.model_dump_json()}\n" for t in trajectories))
    except OSError as err:
        raise UserError(f"{path}: cannot be written ({err.strerror})") from None


def _readable(file: Path) -> bool:
    return file.suffix in {".json", ".jsonl"} and not file.name.startswith(".")


def _all_rows(place: Place) -> Iterator[Row]:
    if isinstance(place, HubData):
        yield from jsonl_rows(place, _WHAT)
        return
    path = Path(place)
    files = sorted(f for f in path.iterdir() if _readable(f)) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no .json or .jsonl file in this folder; {_WHAT} is expected")
    for file in files:
        yield from _rows(file)


def _rows(file: Path) -> Iterator[Row]:
    if file.suffix == ".jsonl":
        yield from jsonl_rows(file, _WHAT)
        return
    with opened(file, _WHAT) as begun:
        is_list = begun.read(_HEAD).lstrip().startswith(b"[")
    if is_list:
        yield from list_rows(file, _WHAT, ("trajectory", "steps"))
        return
    with opened(file, _WHAT) as whole:
        data = whole.read()
    try:
        yield make_row(file, 1, parse(data.decode("utf-8")))
    except UnicodeDecodeError:
        yield Row(f"{file}:1", 1, None, "not UTF-8 text")
    except BadJson as err:
        yield Row(f"{file}:{err.line}", 1, None, str(err))


def _trajectory(row: Row) -> Trajectory:
    record = checked(row)
    value = record.get("trajectory", record)
    try:
        trajectory = Trajectory.model_validate(value)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the row"
        raise BadRow(f"no trajectory: {where}: {first['msg']}") from None
    if not trajectory.steps:
        raise BadRow("the episode has no step")
    return trajectory
