"""What `umi train --dry-run`, `--fit` and `--calibrate` print. Nothing here trains the recipe."""

from collections.abc import Callable
from pathlib import Path

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train.calibrate import calibration_line
from umi_lite.train.forecast import Forecast, disk_line, fit_to, forecast, memory_line
from umi_lite.train.plan import describe
from umi_lite.train.progress import Silent

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
