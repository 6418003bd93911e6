"""Finds training instructions that are also in the held-out data, word for word or nearly.

Nearly: the sets of word 5-grams have a Jaccard similarity of 0.8 or more, after Lee et al. 2022
("Deduplicating Training Data Makes Language Models Better", section 4.2: 5-grams, 0.8). They
estimate it by MinHash; here it is exact: sets that are so similar share one of each one's rarest
few 5-grams (prefix filtering, Chaudhuri et al. 2006), so that few pairs are compared.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from umi_lite.data.rows import BadRow
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.data.window import opened
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "test query ids or instructions (a JSON list, or one per line)"
_FIELDS = ("query_id", "id", "instruction", "query")


@dataclass(frozen=True)
class Excluded:
    """Ids and instructions, compared without case and with single blanks."""

    words: frozenset[str]

    def check(self, query_id: str | None, instruction: str) -> None:
        """Pass what is not excluded.

        Raises:
            BadRow: it is.
        """
        if query_id is not None and _plain(query_id) in self.words:
            raise BadRow("its query id is excluded")
        if _plain(instruction) in self.words:
            raise BadRow("its instruction is excluded")


def read_excluded(path: Path | str | None) -> Excluded:
    """Return ids and instructions from a file, or from all files of a folder.

    ToolBench's `test_query_ids/*.json` (a list of ids, or an object with ids as keys) and its
    `test_instruction/*.json` (a list of objects) are read, and text with one per line.

    Raises:
        UserError: the file is missing or holds none.
    """
    if path is None:
        return Excluded(frozenset())
    path = Path(path)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    words = frozenset(_plain(word) for file in files for word in _words(file) if word.strip())
    if not words:
        raise UserError(f"{path}: {_WHAT} are expected, there are none")
    return Excluded(words)


def _words(file: Path) -> Iterator[str]:
    with opened(file, _WHAT) as opened_file:
        data = opened_file.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # Replaced letters would match nothing, and what is to be kept out would be trained on.
        raise UserError(f"{file}: not UTF-8 text; {_WHAT} are expected, saved as UTF-8") from None
    if file.suffix != ".json":
        yield from text.splitlines()
        return
    try:
        value = parse(text)
    except BadJson as err:
        raise UserError(f"{file}: {_WHAT} are expected ({err})") from None
    if isinstance(value, dict | list):
        for item in value:
            yield from _of(item, file)
    else:
        yield from _of(value, file)


def _of(item: Any, file: Path) -> Iterator[str]:
    if isinstance(item, str | int):
        yield str(item)
        return
    known = [str(item[name]) for name in _FIELDS if name in item] if isinstance(item, dict) else []
    if not known:
        raise UserError(f"{file}: {_WHAT} are expected, not {json.dumps(item)[:60]}")
    yield from known


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


GRAM = 5
THRESHOLD = Fraction(4, 5)
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
Grams = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Leak:
    """A training trajectory (its place among them) and the most similar held-out one.

    `similarity` is 1 where the words are the same.
    """

    index: int
    trained: Trajectory
    held_out: Trajectory
    similarity: float

    @property
    def exact(self) -> bool:
        return self.similarity == 1


def words(text: str) -> tuple[str, ...]:
    """Return the words and signs that are compared, without case and blanks: `3.5` is not `3,5`."""
    return tuple(_WORD.findall(text.casefold()))


def find_leaks(train: Sequence[Trajectory], held_out: Iterable[Trajectory]) -> list[Leak]:
    """Return the training trajectories whose instruction leaks, in their order.

    A generated task is its world as well as its words: of two trajectories that both have a
    `meta.world_seed`, those with different ones are different tasks.
    """
    index = _Index(held_out)
    found = ((i, made, index.most_similar(made)) for i, made in enumerate(train))
    return [Leak(i, made, *match) for i, made, match in found if match is not None]


class _Index:
    """Held-out instructions by their words, and by their rarest 5-grams."""

    def __init__(self, held_out: Iterable[Trajectory]) -> None:
        self._same: dict[tuple[object, ...], Trajectory] = {}
        self._sets: list[tuple[Grams, Trajectory]] = []
        for one in held_out:
            said = words(one.instruction)
            self._same.setdefault((said, _world(one)), one)
            if _world(one) is None:
                self._sets.append((_grams(said), one))
        self._counts = Counter(gram for grams, _ in self._sets for gram in grams)
        self._by_gram: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for at, (grams, _) in enumerate(self._sets):
            for gram in self._rarest(grams):
                self._by_gram[gram].append(at)

    def most_similar(self, trained: Trajectory) -> tuple[Trajectory, float] | None:
        said = words(trained.instruction)
        same = self._same.get((said, _world(trained))) or self._same.get((said, None))
        if same is not None:
            return same, 1.0
        grams = _grams(said)
        near = {at for gram in self._rarest(grams) for at in self._by_gram.get(gram, ())}
        best = max(((_jaccard(grams, self._sets[at][0]), -at) for at in near), default=(0, 0))
        if best[0] < THRESHOLD:
            return None
        # The same 5-grams in another order are not the same words.
        return self._sets[-best[1]][1], min(float(best[0]), 0.999)

    def _rarest(self, grams: Grams) -> list[tuple[str, ...]]:
        """Return enough of the rarest grams that similar sets share at least one of them."""
        ordered = sorted(grams, key=lambda gram: (self._counts[gram], gram))
        return ordered[: len(grams) - math.ceil(THRESHOLD * len(grams)) + 1]


def _world(trajectory: Trajectory) -> object:
    return trajectory.meta.get("world_seed")


def _grams(said: tuple[str, ...]) -> Grams:
    """Return a text's 5-grams; a shorter text is one gram."""
    return frozenset(said[i : i + GRAM] for i in range(max(1, len(said) - GRAM + 1)))


def _jaccard(one: Grams, other: Grams) -> Fraction:
    shared = len(one & other)
    return Fraction(shared, len(one) + len(other) - shared)
