"""N-gram drafts of a role's next tokens, learned from its training turns.

A trained role repeats itself: three of four tokens drafted from these are accepted.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from umi_lite.errors import UserError

# The file's name in an adapter's folder.
PHRASES = "phrases.json"
# Context lengths from which the next token is predicted; the longest known one counts.
ORDERS = (5, 4, 3, 2)
# A context is kept if it occurs at least this often.
OCCURRENCES = 4
# A next token is kept if it follows at least this fraction of the context's occurrences.
SHARE = 0.5
_TOKENS = 60_000
_VERSION = 1


@dataclass(frozen=True)
class Phrases:
    """The usual next token after 2 to 5 tokens, and the fraction of occurrences it follows."""

    usual: dict[tuple[int, ...], tuple[int, float]]

    def save(self, path: Path) -> None:
        """Write JSON rows of `[fraction, next token, context...]`."""
        rows = [[share, token, *stretch] for stretch, (token, share) in self.usual.items()]
        made = {"version": _VERSION, "usual": rows}
        path.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Phrases":
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing, damaged or of another version.
        """
        try:
            made = json.loads(path.read_text(encoding="utf-8"))
            if made["version"] != _VERSION:
                raise ValueError(f"version {made['version']!r}, this reads {_VERSION}")
            rows = made["usual"]
            usual = {tuple(map(int, row[2:])): (int(row[1]), float(row[0])) for row in rows}
        except (OSError, ValueError, TypeError, LookupError) as err:
            raise UserError(f"phrases {path} cannot be read: {err}") from None
        return cls(usual)


def learn_phrases(samples: Iterable[tuple[Sequence[int], Sequence[float]]]) -> Phrases:
    """Return the phrases in the trained tokens of samples; the first 60,000 tokens are enough.

    Args:
        samples: ids and a mask or weights of the same length, 0 where a token is not trained.
    """
    counts: Counter[tuple[int, ...]] = Counter()
    for ids, at in islice(_trained(samples), _TOKENS):
        counts.update(tuple(ids[at - n : at + 1]) for n in ORDERS if at >= n)
    totals: Counter[tuple[int, ...]] = Counter()
    for stretch, count in counts.items():
        totals[stretch[:-1]] += count
    usual: dict[tuple[int, ...], tuple[int, float]] = {}
    for stretch, count in counts.items():
        share = count / totals[stretch[:-1]]
        if count >= OCCURRENCES and share >= SHARE:
            # Of two next tokens with half of the occurrences each, the first is kept.
            usual.setdefault(stretch[:-1], (stretch[-1], round(share, 3)))
    return Phrases(usual)


def _trained(
    samples: Iterable[tuple[Sequence[int], Sequence[float]]],
) -> Iterable[tuple[Sequence[int], int]]:
    for ids, weights in samples:
        for at, weight in enumerate(weights):
            if weight:
                yield ids, at


# Guesses less likely than this cost more to evaluate than they save.
LIKELY = 0.5
# How often the transcript repeats its earlier continuation, by the length of the equal context.
REPEATS = {4: 0.85, 3: 0.7, 2: 0.5}


class Guess(NamedTuple):
    """A token, and the probability that it and all guesses before it are accepted."""

    token: int
    likely: float


class Draft:
    """Guesses for one turn, from its role's phrases and from its transcript.

    Args:
        phrases: what the role usually says.
        ids: the transcript without the system message.
    """

    def __init__(self, phrases: Phrases, ids: Sequence[int]):
        self._phrases = phrases
        self._ids = list(ids)
        self._seen: dict[tuple[int, ...], int] = {}
        self._indexed = 0

    def extend(self, ids: Sequence[int]) -> None:
        """Append the turn's next tokens."""
        self._ids += ids

    def guess(self, most: int) -> list[Guess]:
        """Return up to `most` next tokens, as long as they are likely."""
        self._index()
        end, likely = self._ids[-ORDERS[0] :], 1.0
        guesses: list[Guess] = []
        while len(guesses) < most:
            token, share = self._next(end)
            likely *= share
            if likely < LIKELY:
                break
            end.append(token)
            guesses.append(Guess(token, likely))
        return guesses

    def _next(self, end: Sequence[int]) -> tuple[int, float]:
        for order in ORDERS:
            stretch = tuple(end[-order:])
            usual = self._phrases.usual.get(stretch)
            if usual is not None:
                return usual
            if stretch in self._seen and order in REPEATS:
                return self._seen[stretch], REPEATS[order]
        return 0, 0.0

    def _index(self) -> None:
        ids = self._ids
        for at in range(self._indexed, len(ids)):
            for order in REPEATS:
                if at >= order:
                    self._seen[tuple(ids[at - order : at])] = ids[at]
        self._indexed = len(ids)
