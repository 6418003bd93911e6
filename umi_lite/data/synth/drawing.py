"""What values are drawn with: the random numbers, the split, and the day it is."""

import datetime
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.synth.pools import Split, pick

Said = tuple[Any, str]
"""A value in the schema's form, and how the instruction says it."""


@dataclass
class Drawing:
    """What values are drawn with.

    Attributes:
        today: the day that relative dates count from.
        relative: set to True once a value was said relative to `today`.
        allow_relative: False where nothing states today's date (a result).
        about: content words of the tool's name.
    """

    rng: random.Random
    split: Split
    today: datetime.date
    allow_relative: bool = True
    relative: bool = False
    about: frozenset[str] = frozenset()
    defs: Mapping[str, Any] = field(default_factory=dict)

    def pick(self, slot: str) -> str:
        return pick(self.rng, slot, self.split)


def described(facts: Mapping[str, Any]) -> str:
    """Return a schema's description in lower case, "" for none."""
    return str(facts.get("description") or "").lower()
