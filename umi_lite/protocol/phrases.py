"""What a role usually says next, learned from its own training turns: drafts without a model.

A trained role repeats itself: three of four tokens drafted from these are the ones it takes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from umi_lite.protocol.errors import UserError

# What their file is called in an adapter's folder.
PHRASES = "phrases.json"
# Lengths of what the next token is told from; the longest known one counts.
ORDERS = (5, 4, 3, 2)
# A stretch is kept from so many occurrences on: what was said once or twice is no phrase.
OCCURRENCES = 4
# A next token is kept where at least this share of the occurrences had it.
SHARE = 0.5
_TOKENS = 60_000
_VERSION = 1


@dataclass(frozen=True)
class Phrases:
    """The usual next token behind a stretch of 2 to 5 tokens, and its share of the occurrences."""

    usual: dict[tuple[int, ...], tuple[int, float]]

    def save(self, path: Path) -> None:
        """Write as JSON: `[share, next token, stretch...]` each."""
        rows = [[share, token, *stretch] for stretch, (token, share) in self.usual.items()]
        made = {"version": _VERSION, "usual": rows}
        path.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Phrases":
        """Read what `save` wrote.

        Raises:
            UserError: the file is not that.
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
    """The phrases in the trained tokens of samples; the first 60,000 tokens tell enough.

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
            # Of two next tokens with half of the occurrences each, the first one stays.
            usual.setdefault(stretch[:-1], (stretch[-1], round(share, 3)))
    return Phrases(usual)


def _trained(
    samples: Iterable[tuple[Sequence[int], Sequence[float]]],
) -> Iterable[tuple[Sequence[int], int]]:
    for ids, weights in samples:
        for at, weight in enumerate(weights):
            if weight:
                yield ids, at
