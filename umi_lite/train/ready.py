"""What a job trains on: its packs or rows, in the order in which they will be seen."""

import math
from dataclasses import dataclass
from itertools import accumulate

from umi_lite.recipe import Recipe
from umi_lite.train.plan import Job
from umi_lite.train.samples import Pack, Row, make_packs


@dataclass(frozen=True)
class Ready:
    """A job whose rows are made: what it trains on, in the order in which it will be seen.

    `items` are packs, or rows for a backend that packs nothing; an item is a micro-batch.
    """

    job: Job
    items: list[Pack] | list[Row]

    @property
    def sizes(self) -> list[int]:
        """Tokens that go through the model, an optimizer step each."""
        return self._by_step([len(item.ids) for item in self.items])

    @property
    def trained(self) -> list[int]:
        """Tokens that count in the loss, an optimizer step each."""
        return self._by_step([item.trained for item in self.items])

    def _by_step(self, counts: list[int]) -> list[int]:
        batch = self.job.settings.batch
        return [sum(counts[i : i + batch]) for i in range(0, len(counts), batch)]


def make_ready(recipe: Recipe, job: Job, rows: list[Row], *, packs: bool) -> Ready:
    """The job's items for all its epochs: packed and shuffled anew in each, by seed alone."""
    settings = job.settings
    shared = packs and recipe.packing != "none"
    items: list[Pack] = []
    for epoch in range(math.ceil(settings.epochs)):
        seed = 1000 * job.seed + epoch
        made = make_packs(rows, length=recipe.packed_length, seed=seed, shared=shared)
        part = min(1.0, settings.epochs - epoch)
        items += made[: max(1, round(part * len(made)))]
    if settings.max_steps:
        items = items[: settings.max_steps * settings.batch]
    if settings.max_trained_tokens:
        spent = accumulate(pack.trained for pack in items)
        fitting = sum(tokens <= settings.max_trained_tokens for tokens in spent)
        items = items[: max(1, fitting)]
    return Ready(job, items if packs else [row for pack in items for row in pack.rows])


def rows_of(item: Pack | Row) -> list[Row]:
    """The rows in a pack, or the one row."""
    return item.rows if isinstance(item, Pack) else [item]
