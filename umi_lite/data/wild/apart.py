"""Keeps the splits' instructions apart: no eight words in a row are in two of them.

Each eight words belong to one split: to the one whose sentences alone have three, two or one of
them, else to one by their hash. An instruction with some of another split is not taken.
"""

import re
import zlib
from collections.abc import Iterator
from functools import cache

from umi_lite.data.synth.pools import SPLITS, Split
from umi_lite.data.synth.requests import frames
from umi_lite.data.synth.wording import SLOT
from umi_lite.data.wild.catalog import tools_of

_WORD = re.compile(r"[^\W_]+")
N = 8


def grams(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each eight words in a row of a text, in lower case."""
    words = _WORD.findall(text.casefold())
    for at in range(len(words) - N + 1):
        yield tuple(words[at : at + N])


def belongs(instruction: str, split: Split) -> bool:
    """True if no eight words in a row of an instruction may be in another split."""
    return all(_split_of(gram) == split for gram in grams(instruction))


def _split_of(gram: tuple[str, ...]) -> Split:
    for size in (3, 2, 1):
        own = _owners(size)
        for at in range(N - size + 1):
            if (owner := own.get(gram[at : at + size])) is not None:
                return owner
    part = zlib.crc32(" ".join(gram).encode()) % 10
    return "train" if part < 6 else "dev" if part < 8 else "test"


@cache
def _owners(size: int) -> dict[tuple[str, ...], Split]:
    """Return the split whose sentences alone have words in a row."""
    found: dict[tuple[str, ...], Split | None] = {}
    for split in SPLITS:
        runs: set[tuple[str, ...]] = set()
        for sentence in {*_sentences(split)}:
            for part in SLOT.split(sentence)[::2]:
                words = _WORD.findall(part.casefold())
                runs |= {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
        for run in runs:
            found[run] = split if run not in found else None
    return {run: split for run, split in found.items() if split is not None}


def _sentences(split: Split) -> Iterator[str]:
    """Yield the sentences that a split's instructions are made of."""
    yield from frames(split)
    for made in tools_of(split):
        yield from made.wording.requests if made.wording else ()
        for schema in made.tool.parameters["properties"].values():
            yield from map(str, schema.get("examples", ()))
