"""An engine that generates scripted turns: the loop's logic without a model."""

from collections import deque
from collections.abc import Hashable
from pathlib import Path

from bytetokens import CHATML, END, ByteTokenizer

from umi_lite.engine.request import Generation, Request
from umi_lite.protocol.template import ChatTemplate
from umi_lite.protocol.trajectory import View


class Scripted(ByteTokenizer):
    """Generates `turns` in order, for any role; an exception among them is raised.

    A turn that ends with `…` counts as cut off by its length.
    """

    def __init__(
        self,
        *turns: str | BaseException,
        n_ctx: int = 100_000,
        slots: int = 1,
        single: bool = False,
    ):
        super().__init__()
        self.template = ChatTemplate(CHATML, ends=[END])
        self.base = Path("scripted.gguf")
        self.n_ctx = n_ctx
        self.slots = slots
        self.single = single
        self.turns = deque(turns)
        self.asked: list[Request] = []
        self.released: list[Hashable] = []
        self.most = 0
        self._queue: deque[Request] = deque()

    def view_of(self, role: View) -> View:
        return "backbone" if self.single else role

    def speaker_of(self, role: View) -> View:
        return self.view_of(role)

    def language(self, view: View) -> "Scripted":
        return self

    def generate(self, request: Request) -> Generation:
        assert len(request.ids) + request.max_tokens <= self.n_ctx
        self.asked.append(request)
        turn = self.turns.popleft()
        if isinstance(turn, BaseException):
            raise turn
        if request.on_text is not None:
            request.on_text(turn)
        ids = tuple(self.encode(turn, special=False))
        stop = "length" if turn.endswith("…") else "grammar"
        return Generation(ids, turn, stop=stop, prompt_tokens=len(request.ids))

    def submit(self, request: Request) -> None:
        self._queue.append(request)

    def step(self) -> list[tuple[Request, Generation]]:
        self.most = max(self.most, len(self._queue))
        if not self._queue:
            return []
        request = self._queue.popleft()
        return [(request, self.generate(request))]

    def release(self, episode: Hashable) -> None:
        self.released.append(episode)
        self._queue = deque(r for r in self._queue if r.episode != episode)

    def interrupt(self) -> None:
        """A step ends at once in any case."""

    def prompt(self, index: int) -> str:
        """The text of the transcript that the request was asked with."""
        return self.decode(self.asked[index].ids)
