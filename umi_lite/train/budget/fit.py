"""`umi train --fit`: a recipe changed to fit a memory limit, with the same effective batch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.memory import GIB, Estimate, Setting, longest_row
from umi_lite.train.budget.peak import peak
from umi_lite.train.budget.shape import Shape
from umi_lite.train.dataset import Ready, make_contexts, make_ready, rows_of
from umi_lite.train.packs import Row
from umi_lite.train.plan import plan

_LEAST_LENGTH = 64


@dataclass(frozen=True)
class Fitted:
    """The recipe that fits, its estimated peak, and in one line what was changed."""

    recipe: Recipe
    estimate: Estimate
    line: str


def fit(
    recipe: Recipe,
    shape: Shape,
    setting: Setting,
    ready: Sequence[Ready],
    limit: float,
    free: float = math.inf,
) -> Fitted:
    """Return the first change, from the cheapest to the most costly, whose estimate fits.

    1. The recipe as it is.
    2. Smaller micro-batches: `micro_batch` halved if rows are not packed, else `packed_length`
       halved and every `batch` doubled, so that a step has as many tokens.
    3. The same with gradient checkpointing, which computes the forward pass twice.
    4. The same with `max_length` halved repeatedly, which leaves longer rows out: at most half
       of a job's, and none if `too_long` is `stop`.

    Args:
        ready: the recipe's jobs, from `trainer.make_all`.
        limit: bytes.
        free: bytes where it will run, in which contexts are kept.

    Raises:
        UserError: nothing fits; the message has the smallest estimate.
    """
    rows = {r.job.name: _rows(r) for r in ready}
    smallest: Estimate | None = None
    for candidate in _candidates(recipe, setting, longest_row(ready)):
        made = _ready(candidate, rows, setting)
        if made is None:
            continue
        needs = peak(shape, candidate, setting, made, free)
        if needs.total <= limit:
            return Fitted(
                candidate, needs, _summary(recipe, candidate, needs, limit) + _lost(made, rows)
            )
        if smallest is None or needs.total < smallest.total:
            smallest = needs
    assert smallest is not None  # the unchanged recipe at least
    raise UserError(
        f"nothing fits {limit / GIB:.2f} GiB: the smallest variant takes {smallest} "
        "(estimated); take a smaller base, quantization: 4bit, or a smaller lora.r"
    )


def _rows(ready: Ready) -> list[Row]:
    """Return a job's rows, each once; every epoch has an item with it."""
    return list({id(row): row for item in ready.items for row in rows_of(item)}.values())


def _ready(recipe: Recipe, rows: dict[str, list[Row]], setting: Setting) -> list[Ready] | None:
    """Return the jobs under this recipe, or None if it leaves out too many rows."""
    kept: dict[str, list[Row]] = {}
    for job in plan(recipe):
        every = rows[job.name]
        fitting = [row for row in every if len(row.ids) <= recipe.max_length]
        least = len(every) if recipe.too_long == "stop" else len(every) / 2
        if len(fitting) < least:
            return None
        kept[job.name] = fitting
    jobs, packs = plan(recipe), setting.backend == "plain"
    sharing = [kept[job.name] for job in jobs if job.acts == "own turns"]
    contexts = make_contexts(recipe, sharing)
    return [make_ready(recipe, job, kept[job.name], packs=packs, contexts=contexts) for job in jobs]


def _candidates(recipe: Recipe, setting: Setting, longest: int) -> Iterator[Recipe]:
    """Yield recipes from the unchanged one to the smallest."""
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
    """Yield the recipe, then the same with repeatedly halved micro-batches.

    A GPU has cores for several rows, so the largest micro-batch comes first there.
    """
    if setting.backend == "plain" and recipe.packing != "none":
        yield recipe
        # A pack shorter than the longest row would still hold that row: nothing is saved.
        while recipe.packed_length > longest and recipe.packed_length >= 32:
            recipe = _halved_packs(recipe)
            yield recipe
        return
    size = recipe.micro_batch
    if setting.device == "cuda":
        size = math.gcd(*(job.settings.batch for job in plan(recipe)))
    while size:
        if all(job.settings.batch % size == 0 for job in plan(recipe)):
            yield _changed(recipe, {"micro_batch": size})
        size //= 2


def _halved_packs(recipe: Recipe) -> Recipe:
    """Return half the tokens per pack and twice the packs per step, so steps keep their tokens."""
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


def _summary(before: Recipe, after: Recipe, needs: Estimate, limit: float) -> str:
    keys = ("micro_batch", "packed_length", "gradient_checkpointing", "max_length")
    changed = [
        f"{key} {_text(getattr(before, key))} -> {_text(getattr(after, key))}"
        for key in keys
        if getattr(before, key) != getattr(after, key)
    ]
    batches = {
        (one.settings.batch, other.settings.batch)
        for one, other in zip(plan(before), plan(after), strict=True)
        if one.settings.batch != other.settings.batch
    }
    steps = ", ".join(f"{one} -> {other}" for one, other in sorted(batches))
    changed += [f"batch {steps} (as many tokens in a step)"] * bool(steps)
    what = "; ".join(changed) or "nothing changed"
    return f"fitted to {limit / GIB:.2f} GiB: {what}; {needs.total / GIB:.2f} GiB estimated at most"


def _lost(made: Sequence[Ready], rows: dict[str, list[Row]]) -> str:
    """Return the rows that a shorter `max_length` leaves out, as text."""
    lost = {r.job.name: len(rows[r.job.name]) - len(r.rows) for r in made}
    lines = ", ".join(
        f"{count} of {job}'s {len(rows[job])}" for job, count in lost.items() if count
    )
    return f"; rows left out: {lines}" if lines else ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
