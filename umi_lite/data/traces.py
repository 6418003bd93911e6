"""Your own episodes: traces as the agent wrote them, or trajectories as JSON lines.

A trace is a JSON object with a field `trajectory` (agent/trace.py); only that is read, so a
trace of another version serves as long as its trajectory does.
"""

from pathlib import Path

from pydantic import ValidationError

from umi_lite.data.read_rows import any_rows
from umi_lite.data.rows import BadRow, Loaded, Place, Row, checked, collect, outcomes
from umi_lite.data.source import Source
from umi_lite.errors import UserError, first_error
from umi_lite.files import write_text
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "a trace, or trajectories as JSON lines,"


def load(path: Place, n: int | None = None) -> Loaded:
    """Return the trajectories of a file or of a folder's files, at most `n`, in the names' order.

    A file holds traces or trajectories, in any form that `any_rows` reads. An episode
    without a step (it crashed at once) is dropped: there is nothing in it to train on or score.

    Raises:
        UserError: see `any_rows`.
    """
    return collect(outcomes(any_rows(path, _WHAT), _trajectory), n)


def save(trajectories: list[Trajectory], path: Path | str) -> None:
    """Write trajectories as JSON lines, under a temporary name first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_text(path, "".join(f"{t.model_dump_json()}\n" for t in trajectories))
    except OSError as err:
        raise UserError(f"{path}: cannot be written ({err.strerror})") from None


def _trajectory(row: Row) -> Trajectory:
    record = checked(row)
    value = record.get("trajectory", record)
    try:
        trajectory = Trajectory.model_validate(value)
    except ValidationError as err:
        raise BadRow(f"no trajectory: {first_error(err, 'the row')}") from None
    if not trajectory.steps:
        raise BadRow("the episode has no step")
    return trajectory


SOURCE = Source(
    about="your own traces, or trajectories as JSONL (path, n)",
    load=load,
    fits=lambda row: "trajectory" in row or {"instruction", "steps"} <= row.keys(),
)
