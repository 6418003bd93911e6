"""Open values that tasks are about, split by a hash: a test value is never a training value."""

import random
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, get_args

import yaml

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
T = TypeVar("T")


def words(text: str) -> tuple[str, ...]:
    """Return a table of one-word values, written as a text."""
    return tuple(text.split())


def _read() -> dict[str, tuple[str, ...]]:
    text = files("umi_lite.data.synth").joinpath("pools.yaml").read_text(encoding="utf-8")
    return {kind: tuple(values) for kind, values in yaml.safe_load(text).items()}


POOLS = _read()
"""Kind of value to all its values."""
# Kinds that are small and closed: the same ones in every split.
CLOSED = frozenset({"cuisine", "genre", "room", "crypto", "sport", "department", "animal"})


def split_of(slot: str, value: object) -> Split:
    """Return the split that a value of a slot belongs to: 6 in 10 train, 2 dev, 2 test."""
    part = zlib.crc32(f"{slot}:{value}".encode()) % 10
    return "train" if part < 6 else "dev" if part < 8 else "test"


@cache
def pool(slot: str, split: Split) -> tuple[str, ...]:
    """Return the values of one split; all of them where the slot is closed."""
    values = POOLS[slot]
    if slot in CLOSED:
        return values
    mine = tuple(value for value in values if split_of(slot, value) == split)
    return mine or values


def pick(rng: random.Random, slot: str, split: Split) -> str:
    """Return one value of a slot."""
    return rng.choice(pool(slot, split))


def draw(rng: random.Random, slot: str, split: Split, make: Callable[[], T]) -> T:
    """Return a value of the split from `make`, which draws until one fits, at most 60 times."""
    value = make()
    for _ in range(60):
        if split_of(slot, value) == split:
            return value
        value = make()
    return value


def choice(rng: random.Random, values: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """Return one of the values, by their weights."""
    return rng.choices(values, weights)[0] if weights else values[int(rng.random() * len(values))]
