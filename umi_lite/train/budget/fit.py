"""A recipe made to fit a memory, with the effective batch kept: what `umi train --fit` does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.memory import GIB, Estimate, Setting, longest_row, peak
from umi_lite.train.budget.shape import Shape
from umi_lite.train.dataset import Ready, make_ready, rows_of
from umi_lite.train.plan import plan
from umi_lite.train.samples import Row

_LEAST_LENGTH = 64


@dataclass(frozen=True)
class Fitted:
    """The recipe that fits, its estimated peak, and in one line what was changed."""

    recipe: Recipe
    estimate: Estimate
    line: str


def fit(
    recipe: Recipe, shape: Shape, setting: Setting, ready: Sequence[Ready], limit: float
) -> Fitted:
    """The first of these whose estimate is within the limit, from what costs nothing to what does.

    The recipe as it is; less at once (`micro_batch` halved where rows are not packed, else
    `packed_length` halved and every `batch` doubled, so that a step holds as many tokens); the
    same with gradient checkpointing, which computes the forward pass twice; the same with
    `max_length` halved again and again, which leaves longer rows out (never more than half of a
    job's, and none where `too_long` is `stop`).

    Args:
        ready: the recipe's jobs, as `trainer.make_all` gives them.
        limit: bytes.

    Raises:
        UserError: nothing fits; the smallest estimate is told.
    """
    rows = {r.job.name: _rows(r) for r in ready}
    smallest: Estimate | None = None
    for candidate in _candidates(recipe, setting, longest_row(ready)):
        made = _ready(candidate, rows, setting)
        if made is None:
            continue
        needs = peak(shape, candidate, setting, made)
        if needs.total <= limit:
            return Fitted(
                candidate, needs, _told(recipe, candidate, needs, limit) + _lost(made, rows)
            )
        if smallest is None or needs.total < smallest.total:
            smallest = needs
    assert smallest is not None  # the recipe as it is was tried
    raise UserError(
        f"nothing fits {limit / GIB:.2f} GiB: the smallest that was found takes {smallest} "
        "(estimated); take a smaller base, quantization: 4bit, or a smaller lora.r"
    )


def _rows(ready: Ready) -> list[Row]:
    """A job's rows, each once: an item of each epoch holds it."""
    return list({id(row): row for item in ready.items for row in rows_of(item)}.values())


def _ready(recipe: Recipe, rows: dict[str, list[Row]], setting: Setting) -> list[Ready] | None:
    """The jobs as they would be under this recipe; None where too many rows would be left out."""
    made = []
    for job in plan(recipe):
        every = rows[job.name]
        fitting = [row for row in every if len(row.ids) <= recipe.max_length]
        least = len(every) if recipe.too_long == "stop" else len(every) / 2
        if len(fitting) < least:
            return None
        made.append(make_ready(recipe, job, fitting, packs=setting.backend == "plain"))
    return made


def _candidates(recipe: Recipe, setting: Setting, longest: int) -> Iterator[Recipe]:
    """From the recipe as it is to the smallest."""
    kept = [recipe]
    if not recipe.gradient_checkpointing:
        kept.append(_changed(recipe, {"gradient_checkpointing": True}))
    for base in kept:
        yield from _less_at_once(base, setting, longest)
    length = longest // 2
    while length >= _LEAST_LENGTH:
        yield from _less_at_once(_changed(kept[-1], {"max_length": length}), setting, length)
        length //= 2


def _less_at_once(recipe: Recipe, setting: Setting, longest: int) -> Iterator[Recipe]:
    """The recipe, then halves of what goes through the model at once.

    A GPU has cores for more rows than one: there the largest micro-batch is tried first.
    """
    if setting.backend == "plain" and recipe.packing != "none":
        yield recipe
        # A pack below the longest row's length is that row: nothing is saved any more.
        while recipe.packed_length > longest and recipe.packed_length >= 32:
            recipe = _halved_packs(recipe)
            yield recipe
        return
    size = recipe.micro_batch
    if setting.device == "cuda":
        size = gcd(*(job.settings.batch for job in plan(recipe)))
    while size:
        if all(job.settings.batch % size == 0 for job in plan(recipe)):
            yield _changed(recipe, {"micro_batch": size})
        size //= 2


def _halved_packs(recipe: Recipe) -> Recipe:
    """Half the tokens a pack, twice the packs a step; `max_steps` remain the same tokens."""
    tree = _tree(recipe)
    tree["packed_length"] //= 2
    parts = [part for part in tree["stages"].values() if isinstance(part, dict)]
    parts += [inner for part in parts for inner in part.values() if isinstance(inner, dict)]
    for part in parts:
        if "batch" in part:
            part["batch"] *= 2
    return Recipe.model_validate(tree)


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({**_tree(recipe), **changes})


def _tree(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", by_alias=True, exclude_none=True)


def _told(before: Recipe, after: Recipe, needs: Estimate, limit: float) -> str:
    keys = ("micro_batch", "packed_length", "gradient_checkpointing", "max_length")
    changed = [
        f"{key} {_said(getattr(before, key))} -> {_said(getattr(after, key))}"
        for key in keys
        if getattr(before, key) != getattr(after, key)
    ]
    batches = {
        (one.settings.batch, other.settings.batch)
        for one, other in zip(plan(before), plan(after), strict=True)
        if one.settings.batch != other.settings.batch
    }
    told = ", ".join(f"{one} -> {other}" for one, other in sorted(batches))
    changed += [f"batch {told} (as many tokens in a step)"] * bool(told)
    what = "; ".join(changed) or "nothing is changed"
    return f"fitted to {limit / GIB:.2f} GiB: {what}; {needs.total / GIB:.2f} GiB estimated at most"


def _lost(made: Sequence[Ready], rows: dict[str, list[Row]]) -> str:
    """What a shorter `max_length` costs."""
    lost = {r.job.name: len(rows[r.job.name]) - len(r.rows) for r in made}
    said = ", ".join(f"{count} of {job}'s {len(rows[job])}" for job, count in lost.items() if count)
    return f"; rows left out: {said}" if said else ""


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
