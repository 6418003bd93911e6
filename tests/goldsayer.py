"""An engine that generates the gold turns, in a real vocabulary and under the real grammars.

Each token passes through `engine.turn.Turn`, so a turn that its grammar refuses, or that is
longer than its bound, is what a perfect model would generate.
"""

from collections import deque
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Turn
from umi_lite.protocol.trajectory import View


class GoldSayer:
    """The interface of an engine that an evaluation needs.

    Attributes:
        apart: the gold turns that were not generated: cut off, or not in their grammar.

    Args:
        gguf: the model whose vocabulary is used; its weights are not loaded.
        say: returns the text of the turn that a request is for.
    """

    def __init__(self, gguf: Path, say: Callable[[Request], str], n_ctx: int = 100_000):
        self.base, self.n_ctx, self.slots = gguf, n_ctx, 3
        self._model = Model.vocabulary(gguf)
        self._words = Language(self._model)
        self._say = say
        self.apart: list[str] = []
        self._logits = np.zeros(len(self._model.pieces()), dtype=np.float32)
        self._queue: deque[Request] = deque()

    def view_of(self, role: View) -> View:
        return role

    def speaker_of(self, role: View) -> View:
        return self.view_of(role)

    def language(self, view: View) -> Language:
        return self._words

    def generate(self, request: Request) -> Generation:
        gold = self._say(request)
        assert request.grammar is not None
        turn = Turn(request, self._model, 0, self._words.matcher(request.grammar))
        asked, said = len(request.ids), list[int]()
        wanted = self._model.encode(gold, special=False)
        while turn.stop is None:
            said += turn.pending[asked:]
            asked = 0
            turn.fed(len(turn.pending), 0.0)
            if wanted[: len(said)] != said:
                # The grammar forced other tokens of the same text.
                rest = gold.removeprefix(self._model.decode(said))
                wanted = said + self._model.encode(rest, special=False)
            self._pick(turn, wanted[len(said)] if len(said) < len(wanted) else self._end)
        made = turn.generation()
        if made.text != gold or made.stop == "length":
            self.apart.append(gold)
        return made

    @property
    def _end(self) -> int:
        return min(self._model.eog)

    def _pick(self, turn: Turn, token: int) -> None:
        # A perfect model is surer than the copy bias could change.
        self._logits[token] = 20
        turn.pick(self._logits)
        self._logits[token] = 0

    def submit(self, request: Request) -> None:
        self._queue.append(request)

    def step(self) -> list[tuple[Request, Generation]]:
        request = self._queue.popleft()
        return [(request, self.generate(request))]

    def release(self, episode: Hashable) -> None:
        pass

    def close(self) -> None:
        self._words.close()
        self._model.close()
