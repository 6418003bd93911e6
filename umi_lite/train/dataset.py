"""What a job trains on: its packs or rows, in training order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from umi_lite.agent.bounds import Bounds, holding
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.contexts import Contexts, TurnPack
from umi_lite.train.packs import Pack, Row, make_packs, rows_of
from umi_lite.train.plan import Job
from umi_lite.train.samples import Rows, make_rows, row_names
from umi_lite.train.tokenizer import Language


def pad_to_multiple(items: list[Pack] | list[Row], share: int) -> list[Pack] | list[Row]:
    """Return the items and blank ones up to the next multiple of `share`.

    A blank one is the shortest item without its targets: it adds nothing to a step's loss.
    """
    shortest = min(items, key=lambda item: len(item.ids))
    made: list = [*items, *[_blank(shortest)] * (-len(items) % share)]
    return made


def _blank(item: Pack | Row) -> Pack | Row:
    if isinstance(item, Row):
        return replace(item, weights=[0.0] * len(item.ids))
    return replace(item, targets=[], rows=[_blank(row) for row in item.rows])


def _tokens(item: Pack | Row) -> int:
    return item.tokens if isinstance(item, TurnPack) else len(item.ids)


@dataclass(frozen=True)
class Ready:
    """A job whose rows are made: what it trains on, in training order.

    `items` are packs, or rows for a backend that does not pack; `at_once` of them are a
    micro-batch. `rows` are all rows, also those that its steps do not reach. `held_out` are the
    micro-batches of its evaluation loss. `bounds` hold every turn that it trains. `contexts` are
    those of a job whose adapter acts on its role's own turns; `read` are tokens of contexts that
    each item has to read, None where none is kept.
    """

    job: Job
    items: list[Pack] | list[Row]
    rows: Sequence[Row] = ()
    at_once: int = 1
    held_out: tuple[tuple[Row, ...], ...] = ()
    bounds: Bounds = field(default_factory=Bounds)
    contexts: Contexts | None = None
    read: tuple[int, ...] | None = None

    @property
    def sizes(self) -> list[int]:
        """Tokens that go through the model, per optimizer step."""
        if self.read is None:
            return self._by_step([_tokens(item) for item in self.items])
        return self._by_step(
            [item.trained + read for item, read in zip(self.items, self.read, strict=True)]
        )

    @property
    def trained(self) -> list[int]:
        """Tokens that count in the loss, per optimizer step."""
        return self._by_step([item.trained for item in self.items])

    def rows_of_step(self, step: int) -> list[Row]:
        """Return the rows of a step, counted from 1."""
        batch = self.job.settings.batch
        items = self.items[(step - 1) * batch : step * batch]
        return [row for item in items for row in rows_of(item)]

    def _by_step(self, counts: list[int]) -> list[int]:
        batch = self.job.settings.batch
        return [sum(counts[i : i + batch]) for i in range(0, len(counts), batch)]


def job_rows(recipe: Recipe, job: Job, data: Sequence[Trajectory], language: Language) -> Rows:
    """Return the samples of all the job's views.

    Raises:
        UserError: see `make_rows`; or a row is too long in a recipe that stops there.
    """
    made = [
        make_rows(
            data,
            view,
            language,
            max_length=recipe.max_length,
            style=recipe.style,
            decision_weight=recipe.decision_weight,
            transcript=job.transcript,
        )
        for view in job.views
    ]
    found = Rows(
        [row for rows in made for row in rows.rows], [row for rows in made for row in rows.too_long]
    )
    if found.too_long and recipe.too_long == "stop":
        raise UserError(
            f"{job.name}: {too_long(recipe, found)}: raise max_length, or leave them out with "
            "too_long: drop"
        )
    return found


def too_long(recipe: Recipe, rows: Rows) -> str:
    """Return how many rows are too long, which ones, and how long the longest is."""
    count, every = len(rows.too_long), len(rows.too_long) + len(rows.rows)
    longest = max(len(row.ids) for row in rows.too_long)
    return (
        f"{count} of {every} rows are longer than max_length, {recipe.max_length} tokens (the "
        f"longest has {longest}): {row_names(row.name for row in rows.too_long)}"
    )


def job_bounds(
    recipe: Recipe, job: Job, data: Sequence[Trajectory], rows: Rows, language: Language
) -> Bounds:
    """Return the bounds that hold every turn the rows train; style `paper` has no agent."""
    if recipe.style != "chat":
        return Bounds()
    kept = {row.name for row in rows.rows}
    return holding((made for made in data if made.id in kept), job.views, language.tokenizer)


def make_contexts(recipe: Recipe, rows: Sequence[Sequence[Row]]) -> Contexts:
    """Make the contexts of all jobs whose adapters act on own turns.

    Args:
        rows: of each job, and its held-out rows as those of a further one.
    """
    shared = shares_prefixes(recipe)
    return Contexts(rows, length=recipe.packed_length, seed=recipe.seed, shared=shared)


def make_ready(
    recipe: Recipe,
    job: Job,
    rows: list[Row],
    held_out: Sequence[Row] = (),
    *,
    packs: bool,
    contexts: Contexts | None = None,
) -> Ready:
    """Make the job's items for all its epochs: packed and shuffled in each, by seed alone.

    Args:
        contexts: those of all jobs whose adapters act on own turns; default this job's alone.
    """
    settings = job.settings
    shared = packs and shares_prefixes(recipe)
    if job.acts == "own turns" and contexts is None:
        contexts = make_contexts(recipe, [rows, held_out])
    items: list[Pack] = []
    made: Sequence[Pack]
    for epoch in range(math.ceil(settings.epochs)):
        seed = 1000 * job.seed + epoch
        if job.acts == "own turns" and contexts:
            made = contexts.items(rows, epoch)
        else:
            made = make_packs(rows, length=recipe.packed_length, seed=seed, shared=shared)
        part = min(1.0, settings.epochs - epoch)
        items += made[: max(1, round(part * len(made)))]
    if settings.max_steps:
        items = items[: settings.max_steps * settings.batch]
    if settings.max_trained_tokens:
        spent = accumulate(pack.trained for pack in items)
        fitting = sum(tokens <= settings.max_trained_tokens for tokens in spent)
        items = items[: max(1, fitting)]
    seen = items if packs else [row for pack in items for row in pack.rows]
    at_once = 1 if shared else recipe.micro_batch
    if job.acts == "own turns" and contexts:
        batches = tuple(tuple(pack.rows) for pack in contexts.items(held_out, 0))
        return Ready(job, seen, rows, at_once, batches, contexts=contexts)
    return Ready(job, seen, rows, at_once, _batches(recipe, held_out, shared=shared))


def shares_prefixes(recipe: Recipe) -> bool:
    """True if a backend that can share a prefix between rows does so."""
    return recipe.packing != "none"


def _batches(recipe: Recipe, rows: Sequence[Row], *, shared: bool) -> tuple[tuple[Row, ...], ...]:
    """Return micro-batches as in training; rows of similar length together, which pads least."""
    if shared:
        packs = make_packs(rows, length=recipe.packed_length, seed=0)
        return tuple(tuple(pack.rows) for pack in packs)
    order = sorted(rows, key=lambda row: len(row.ids))
    size = recipe.micro_batch
    return tuple(tuple(order[i : i + size]) for i in range(0, len(order), size))
