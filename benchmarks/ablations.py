"""Engines that leave out one optimisation each, to measure what it gains."""

from dataclasses import replace

from umi_lite.bundle.bundle import Bundle
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Turn


class ForgetsEpisodes(Engine):
    """An engine whose cache is empty at the start of each episode."""

    def __init__(self, *args: object, **options: object):
        super().__init__(*args, **options)  # pyright: ignore[reportArgumentType]
        self._last: object = None

    def generate(self, request: Request) -> Generation:
        if request.episode is not self._last:
            self.forget()
            self._last = request.episode
        return super().generate(request)


class ForgetsTurns(Engine):
    """An engine that evaluates the whole prompt of every turn."""

    def generate(self, request: Request) -> Generation:
        self.forget()
        return super().generate(request)


class _Samples(Turn):
    def _force(self) -> None:
        """Sample every token, even where the grammar leaves one choice."""


class ForcesNothing(Engine):
    """An engine whose grammar masks tokens and forces none."""

    _turn = _Samples


def undrafted(bundle: Bundle) -> Bundle:
    """Return the bundle without its roles' phrases: no turn is drafted."""
    return replace(bundle, spec=bundle.spec.model_copy(update={"phrases": {}}))
