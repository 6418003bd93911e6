"""As many micro-batches for each process: the last step's are filled up with blank items.

The processes meet in each micro-batch. Left alone, the trainer would fill up with the first
items once more, and so train on them twice.
"""

from dataclasses import replace

from umi_lite.train.samples import Pack, Row


def evened(items: list[Pack] | list[Row], share: int) -> list[Pack] | list[Row]:
    """The items, and blank ones up to the next multiple of `share`.

    A blank one is the shortest item without its targets: it has no part in a step's loss.
    """
    shortest = min(items, key=lambda item: len(item.ids))
    made: list = [*items, *[_blank(shortest)] * (-len(items) % share)]
    return made


def _blank(item: Pack | Row) -> Pack | Row:
    if isinstance(item, Row):
        return replace(item, weights=[0.0] * len(item.ids))
    return replace(item, targets=[], rows=[_blank(row) for row in item.rows])
