"""The engine with one of its savings left out, to see what each is worth."""

from dataclasses import replace

from umi_lite.bundle.bundle import Bundle
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Turn


class ForgetsEpisodes(Engine):
    """A new episode finds nothing in the cache."""

    def __init__(self, *args: object, **options: object):
        super().__init__(*args, **options)  # pyright: ignore[reportArgumentType]
        self._last: object = None

    def generate(self, request: Request) -> Generation:
        if request.episode is not self._last:
            self.forget()
            self._last = request.episode
        return super().generate(request)


class ForgetsTurns(Engine):
    """Every turn reads its whole prompt."""

    def generate(self, request: Request) -> Generation:
        self.forget()
        return super().generate(request)


class _Samples(Turn):
    def _force(self) -> None:
        """Every token is sampled, also where there is no choice."""


class ForcesNothing(Engine):
    """The grammar only masks."""

    _turn = _Samples


def undrafted(bundle: Bundle) -> Bundle:
    """The bundle without its roles' phrases: no turn is drafted."""
    return replace(bundle, spec=bundle.spec.model_copy(update={"phrases": {}}))
