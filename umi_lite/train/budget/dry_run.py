"""`umi train --dry-run` and `--calibrate`: checks before training, and 30 s of real steps."""

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
from umi_lite.train.backends import settle
from umi_lite.train.budget.forecast import Forecast, disk_line, fit_to, forecast, memory_line
from umi_lite.train.budget.memory import GIB
from umi_lite.train.plan import describe, plan
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir, read_metrics

SECONDS = 30.0
_NEVER = 1_000_000
# Done, stopped on request, or ended by the signal between two jobs.
_STOPPED = (0, 130, -signal.SIGTERM)


@dataclass(frozen=True)
class Calibration:
    """Speed of the first job's first steps, without the very first one.

    Attributes:
        peak: bytes, of all steps, as `device.peak_memory` has them.
    """

    tokens_per_second: float
    steps: int
    seconds: float
    peak: int


def calibrate(recipe: Recipe, seconds: float = SECONDS) -> Calibration:
    """Train the first job for some seconds at most, in a separate process and a temporary folder.

    The first step warms up (with Unsloth on a GPU it compiles for 40 s) and only counts if it is
    the only one.

    Args:
        seconds: of training after the first step, without the time to load the base. The last
            step is completed.

    Raises:
        UserError: training failed; the message has its last line.
    """
    short = recipe.model_copy(
        update={"validation": Validation(), "checkpoint_every": _NEVER, "report_to": "none"}
    )
    first = plan(recipe)[0].name
    with tempfile.TemporaryDirectory(prefix="umi-calibrate-") as folder:
        run = RunDir(Path(folder) / "run")
        run.create(short)
        log = Path(folder) / "log"
        status = _watch(run, first, log, seconds)
        records = read_metrics(run.metrics(first))
        stopped = status in _STOPPED or run.is_done(first)
        if not stopped or not records:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = lines[-1] if lines else "no output"
            raise UserError(f"the calibration ended with status {status}: {why}")
    return _measured(records)


def _watch(run: RunDir, job: str, log: Path, seconds: float) -> int:
    """Run the child until its job has trained for some seconds, or ended; return its status."""
    command = [sys.executable, "-m", "umi_lite.train.child", str(run.root)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        try:
            while process.poll() is None and not run.is_done(job):
                records = read_metrics(run.metrics(job))
                if len(records) > 1 and _after_first(records, "seconds") >= seconds:
                    break
                time.sleep(0.2)
            if process.poll() is None:
                process.terminate()  # handled in `callbacks.stopping`
            return process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _after_first(records: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the increase of `what` after the first step, or all of it if there is only one."""
    return records[-1][what] - (records[0][what] if len(records) > 1 else 0)


def _measured(records: Sequence[Mapping[str, float]]) -> Calibration:
    seconds = _after_first(records, "seconds")
    return Calibration(
        tokens_per_second=_after_first(records, "tokens") / max(seconds, 1e-9),
        steps=len(records),
        seconds=seconds,
        peak=int(max(record["peak_memory"] for record in records)),
    )


def calibration_line(expected: Forecast, seconds: float = SECONDS) -> Line:
    """Return hours of all jobs at the measured speed, and the measured and estimated peak."""
    real = calibrate(expected.recipe, seconds)
    peak = expected.peak
    estimated = peak.total if expected.setting.device == "cpu" else peak.tensors
    hours = expected.tokens / real.tokens_per_second / 3600
    found = (
        f"{real.tokens_per_second:.0f} tokens/s in {real.steps} steps ({real.seconds:.0f} s): "
        f"{expected.tokens} tokens take {hours:.2f} hours; peak so far {real.peak / GIB:.2f} GiB, "
        f"{estimated / GIB:.2f} estimated for the largest step"
    )
    return Line(mark="✓", name="calibration", found=found)


Print = Callable[[str], None]


class _Notes(Silent):
    """Reports notes only, each as a line."""

    def __init__(self, output: Print):
        self._output = output

    def note(self, text: str) -> None:
        self._output(text)


def show(recipe: Recipe, out: Path, output: Print) -> bool:
    """Print the plan, each job's rows, steps and tokens, and needed and free memory and disk.

    Missing base or data is reported as a line with a cross.

    Returns:
        True if no line has a cross.
    """
    recipe = settle(recipe)
    _show_plan(recipe, output)
    try:
        expected = forecast(recipe, _Notes(output))
    except UserError as err:
        output(f"✗ cannot estimate rows, steps, memory or disk: {err}")
        return False
    return _show_needs(expected, out, output)


def show_calibrated(recipe: Recipe, out: Path, output: Print) -> bool:
    """Print the same as `show`, then speed, hours and peak memory from 30 s of real steps.

    Raises:
        UserError: the base or the data are missing, or training failed.
    """
    recipe = settle(recipe)
    _show_plan(recipe, output)
    expected = forecast(recipe, _Notes(output))
    fits = _show_needs(expected, out, output)
    output(str(calibration_line(expected)))
    return fits


def fitted(recipe: Recipe, wanted: str, output: Print) -> Recipe:
    """Return the recipe changed so that it is estimated to fit; print what was changed.

    Args:
        wanted: GiB, or `free`.

    Raises:
        UserError: see `forecast.fit_to`.
    """
    made = fit_to(recipe, wanted)
    output(made.line)
    return made.recipe


def _show_needs(expected: Forecast, out: Path, output: Print) -> bool:
    lines = (memory_line(expected), disk_line(expected.recipe, expected.shape, out))
    for line in lines:
        output(str(line))
    return all(line.mark != "✗" for line in lines)


def _show_plan(recipe: Recipe, output: Print) -> None:
    for line in describe(recipe):
        output(line)
