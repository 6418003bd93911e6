"""How fast will it train here? Half a minute of real steps, in a folder that is thrown away."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from umi_lite.console import Line
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe, Validation
from umi_lite.train.budget.forecast import Forecast, disk_line, fit_to, forecast, memory_line
from umi_lite.train.budget.memory import GIB
from umi_lite.train.plan import describe, plan
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir, read_metrics

SECONDS = 30.0
_NEVER = 1_000_000
# By itself, or as it was asked to, which between two jobs the signal alone does.
_STOPPED = (0, 130, -signal.SIGTERM)


@dataclass(frozen=True)
class Calibration:
    """What the first job's first steps took, without the very first; `peak` is its too, in bytes
    as `memory.peak_memory`."""

    tokens_per_second: float
    steps: int
    seconds: float
    peak: int


def calibrate(recipe: Recipe, seconds: float = SECONDS) -> Calibration:
    """Train the first job for some seconds, or all of it where it is shorter, in a process and a
    folder of its own.

    The first step warms up (with Unsloth on a card it compiles for 40 s) and does not count where
    there are more.

    Args:
        seconds: of training behind the first step; loading the base comes on top. A step is not
            broken off.

    Raises:
        UserError: training stopped; its last line is told.
    """
    short = recipe.model_copy(
        update={"validation": Validation(), "checkpoint_every": _NEVER, "report_to": "none"}
    )
    first = plan(recipe)[0].name
    with tempfile.TemporaryDirectory(prefix="umi-calibrate-") as folder:
        run = RunDir(Path(folder) / "run")
        run.create(short)
        said = Path(folder) / "said"
        status = _watch(run, first, said, seconds)
        records = read_metrics(run.metrics(first))
        stopped = status in _STOPPED or run.is_done(first)
        if not stopped or not records:
            lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = lines[-1] if lines else "it said nothing"
            raise UserError(f"the calibration ended with status {status}: {why}")
    return _measured(records)


def _watch(run: RunDir, job: str, said: Path, seconds: float) -> int:
    """Run the child until its job trained so long, or ended; its status."""
    command = [sys.executable, "-m", "umi_lite.train.child", str(run.root)]
    with said.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        try:
            while process.poll() is None and not run.is_done(job):
                records = read_metrics(run.metrics(job))
                if len(records) > 1 and _behind_first(records, "seconds") >= seconds:
                    break
                time.sleep(0.2)
            if process.poll() is None:
                process.terminate()  # a wish to stop: `stopping`
            return process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _behind_first(records: Sequence[Mapping[str, float]], what: str) -> float:
    """How far `what` went on behind the first step; of a lone step, all of it."""
    return records[-1][what] - (records[0][what] if len(records) > 1 else 0)


def _measured(records: Sequence[Mapping[str, float]]) -> Calibration:
    seconds = _behind_first(records, "seconds")
    return Calibration(
        tokens_per_second=_behind_first(records, "tokens") / max(seconds, 1e-9),
        steps=len(records),
        seconds=seconds,
        peak=int(max(record["peak_memory"] for record in records)),
    )


def calibration_line(told: Forecast, seconds: float = SECONDS) -> Line:
    """Hours of all the jobs at the measured speed, and the measured peak beside the estimate."""
    made = calibrate(told.recipe, seconds)
    estimated = told.peak.total if told.setting.device == "cpu" else told.peak.tensors
    hours = told.tokens / made.tokens_per_second / 3600
    found = (
        f"{made.tokens_per_second:.0f} tokens/s in {made.steps} steps ({made.seconds:.0f} s): "
        f"{told.tokens} tokens take {hours:.2f} hours; peak so far {made.peak / GIB:.2f} GiB, "
        f"{estimated / GIB:.2f} estimated for the largest step"
    )
    return Line(mark="✓", name="calibration", found=found)


Tell = Callable[[str], None]


class _Notes(Silent):
    """Notes as lines, nothing else."""

    def __init__(self, tell: Tell):
        self._tell = tell

    def note(self, text: str) -> None:
        self._tell(text)


def show(recipe: Recipe, out: Path, tell: Tell) -> bool:
    """Print the plan, each job's rows, steps and tokens, memory and disk against what is free.

    Where the base or the data are missing, a line says so, and what is therefore not estimated.

    Returns:
        True if no line has a cross: the recipe is expected to train.
    """
    _show_plan(recipe, tell)
    try:
        told = forecast(recipe, _Notes(tell))
    except UserError as err:
        tell(f"✗ cannot estimate rows, steps, memory or disk: {err}")
        return False
    return _show_needs(told, out, tell)


def show_calibrated(recipe: Recipe, out: Path, tell: Tell) -> bool:
    """As `show`, then half a minute of real steps: speed, hours, and the peak that they took.

    Raises:
        UserError: the base or the data are missing, or training stopped.
    """
    _show_plan(recipe, tell)
    told = forecast(recipe, _Notes(tell))
    fits = _show_needs(told, out, tell)
    tell(str(calibration_line(told)))
    return fits


def fitted(recipe: Recipe, wanted: str, tell: Tell) -> Recipe:
    """The recipe changed so that it is estimated to fit; what was changed is told in a line.

    Args:
        wanted: GiB, or `free`.

    Raises:
        UserError: see `forecast.fit_to`.
    """
    made = fit_to(recipe, wanted)
    tell(made.line)
    return made.recipe


def _show_needs(told: Forecast, out: Path, tell: Tell) -> bool:
    lines = (memory_line(told), disk_line(told.recipe, told.shape, out))
    for line in lines:
        tell(str(line))
    return all(line.mark != "✗" for line in lines)


def _show_plan(recipe: Recipe, tell: Tell) -> None:
    for line in describe(recipe):
        tell(line)
