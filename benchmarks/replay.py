"""Recorded turns, and engines that say them again: the same work for different adapters.

A replayed turn costs what its own would: logits are read, drafts are checked and the grammar is
consulted for every token. Only the token that is taken is the recorded one.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Turn

Ids = tuple[int, ...]


class Recorder:
    """A role engine that keeps the ids of each turn it generates, in `turns`."""

    def __init__(self, engine: Any):
        self._engine = engine
        self.turns: list[Ids] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(self, request: Request) -> Generation:
        said: Generation = self._engine.generate(request)
        self.turns.append(said.ids)
        return said


class _Replayed(Turn):
    """A turn whose tokens are given."""

    def __init__(self, said: Sequence[int], *turn: Any):
        self._said = said
        super().__init__(*turn)

    def _choose(self, logits: Any) -> int:
        super()._choose(logits)
        at = len(self._ids)
        return self._said[at] if at < len(self._said) else min(self._model.eog)


def replaying(engine: Engine, turns: Iterable[Sequence[int]]) -> Engine:
    """Return the engine, which says these turns, in their order, one at a time."""
    left = iter(turns)
    engine._turn = lambda *turn: _Replayed(next(left), *turn)  # pyright: ignore
    return engine
