"""As many micro-batches for each process: a step's last ones are filled up with blank items.

The processes meet in each micro-batch. Left alone, the trainer would fill up with the first
items once more, and so train on them twice.
"""

from collections.abc import Callable
from typing import Any

from umi_lite.train.collate import IGNORED

_BLANK = -1

Collator = Callable[[list[dict[str, Any]]], dict[str, Any]]


def even_items(number: int, share: int) -> list[int]:
    """Indices of `number` items, and blanks up to the next multiple of `share`."""
    return [*range(number), *[_BLANK] * (-number % share)]


class EvenCollator:
    """Another collator's batches; a blank item is the first one without its targets."""

    def __init__(self, collator: Collator):
        self._collator = collator

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        blank = [feature["item"] == _BLANK for feature in features]
        batch = self._collator([{"item": max(0, feature["item"])} for feature in features])
        if not any(blank):
            return batch
        if "shift_labels" in batch:  # a pack: one item a batch
            batch["shift_labels"].fill_(IGNORED)
            batch["labels"][1] = 0.0
        else:
            batch["labels"][blank] = IGNORED
        return batch
