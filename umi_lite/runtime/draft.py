"""Guessing what a turn says next, so that several tokens are evaluated at once.

A guess costs a little and is never taken on trust: the model's own choice is compared with it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from umi_lite.protocol.phrases import ORDERS, Phrases

# As far as a guess holds with this probability; below, evaluating it costs more than it saves.
LIKELY = 0.5
# How often the transcript's own words go on as they did before, by the length of what is equal.
REPEATS = {4: 0.85, 3: 0.7, 2: 0.5}


class Guess(NamedTuple):
    """A token, and how likely it and all guesses before it hold."""

    token: int
    likely: float


class Draft:
    """One turn's guesses, from its role's phrases and from its transcript.

    Args:
        phrases: what the role usually says.
        ids: the transcript without the system message.
    """

    def __init__(self, phrases: Phrases, ids: Sequence[int]):
        self._phrases = phrases
        self._ids = list(ids)
        self._seen: dict[tuple[int, ...], int] = {}
        self._indexed = 0

    def said(self, ids: Sequence[int]) -> None:
        """The turn goes on with these."""
        self._ids += ids

    def guess(self, most: int) -> list[Guess]:
        """Up to so many of the next tokens, as far as they are likely."""
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
