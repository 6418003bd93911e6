"""What a run will take, before it starts: rows, steps, memory and disk, and what is free."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umi_lite.console import Line
from umi_lite.errors import UserError
from umi_lite.files import cache_folder
from umi_lite.recipe.schema import Recipe, base_gguf
from umi_lite.train.backends import resolve
from umi_lite.train.budget.fit import Fitted, fit
from umi_lite.train.budget.free import free_memory
from umi_lite.train.budget.memory import GIB, Estimate
from umi_lite.train.budget.peak import peak
from umi_lite.train.budget.shape import Shape, shape_of
from umi_lite.train.dataset import Ready
from umi_lite.train.device import Setting
from umi_lite.train.inputs import base_model
from umi_lite.train.plan import plan
from umi_lite.train.progress import Reporter, Silent
from umi_lite.train.trainer import make_all

_FP32 = 4
# The two that are kept and the one being written, each with the adapter and its two moments.
_CHECKPOINTS = 3 * 3


@dataclass(frozen=True)
class Forecast:
    """A recipe's jobs with their rows, their estimated peak memory, and the free bytes."""

    recipe: Recipe
    shape: Shape
    setting: Setting
    ready: Sequence[Ready]
    free: int

    @property
    def peak(self) -> Estimate:
        return peak(self.shape, self.recipe, self.setting, self.ready, self.free)

    @property
    def tokens(self) -> int:
        """Return the number of tokens that go through the model in all jobs."""
        return sum(sum(ready.sizes) for ready in self.ready)


def forecast(recipe: Recipe, reporter: Reporter | None = None) -> Forecast:
    """Make the rows of all jobs; neither train nor write a run folder.

    Args:
        reporter: gets each job's rows, tokens and steps.

    Raises:
        UserError: an unavailable base, or wrong data.
    """
    shape = shape_of(recipe)  # first: it fails within seconds if the hub does not answer
    setting = resolve(recipe)
    shown = reporter or Silent()
    model = base_model(recipe, lambda path: shown.note(f"dequantising the base to {path}"))
    free = free_memory(setting)
    ready = make_all(recipe, model, setting, shown, free)
    return Forecast(recipe, shape, setting, ready, free)


def fit_to(recipe: Recipe, wanted: str) -> Fitted:
    """Return the recipe changed to fit.

    Args:
        wanted: GiB, or `free` for all that is free where it will run.

    Raises:
        UserError: `wanted` is neither, nothing fits, or see `forecast`.
    """
    expected = forecast(recipe)
    if wanted == "free":
        limit = float(expected.free)
    else:
        try:
            limit = float(wanted) * GIB
        except ValueError:
            raise UserError(f"--fit takes GiB or the word free, not {wanted!r}") from None
    free = expected.free
    return fit(recipe, expected.shape, expected.setting, expected.ready, limit, free)


def memory_line(expected: Forecast) -> Line:
    """Return estimated peak and free memory of the device that would be used."""
    needs, free = expected.peak, expected.free
    where = "the GPU" if expected.setting.device == "cuda" else "RAM"
    found = f"{needs} estimated of {where}, {free / GIB:.1f} GiB free"
    if needs.total > free:
        return Line(
            mark="✗", name="training memory", found=found, fix="umi train RECIPE --fit free"
        )
    return Line(mark="✓", name="training memory", found=found)


def disk_line(recipe: Recipe, shape: Shape, out: Path) -> Line:
    """Return needed and free disk: adapters, checkpoints and the dequantised base."""
    trained = shape.trainable(recipe.lora) * _FP32
    adapters, checkpoints = len(plan(recipe)) * trained, _CHECKPOINTS * trained
    base = 0 if _base_is_here(recipe) else shape.parameters * _FP32
    here, there = _free(out), _free(cache_folder())
    parts = f"adapters {_mb(adapters)}, checkpoints {_mb(checkpoints)}"
    parts += f", the dequantised base {_mb(base)}" if base else ""
    found = f"{_mb(adapters + checkpoints + base)} estimated ({parts}), {here / GIB:.0f} GiB free"
    # Both may be on one disk.
    if adapters + checkpoints + base > min(here, there if base else here):
        return Line(
            mark="✗", name="training disk", found=found, fix="free some, or --out elsewhere"
        )
    return Line(mark="✓", name="training disk", found=found)


def training_lines(recipe: Recipe, out: Path) -> list[Line]:
    """Return the memory and disk lines of a recipe, or one that says why there are none."""
    try:
        expected = forecast(recipe)
        return [memory_line(expected), disk_line(recipe, expected.shape, out)]
    except UserError as err:
        found = f"cannot estimate the recipe's memory and disk: {err}"
        return [Line(mark="✗", name="training memory", found=found)]


def _base_is_here(recipe: Recipe) -> bool:
    """True if nothing has to be dequantised; a download from the hub goes to the hub's cache."""
    if recipe.base.model is not None:
        return True
    gguf = base_gguf(recipe)
    return gguf is not None and any(cache_folder().glob(f"{gguf.stem}-*/config.json"))


def _free(folder: Path) -> int:
    """Return the free bytes of the disk on which a folder is, or will be."""
    path = folder.expanduser().absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
