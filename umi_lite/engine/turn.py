"""One turn in progress: which tokens to evaluate next, which token to take, and its `Slot`."""

import codecs
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from umi_lite.engine.copying import CopyBias
from umi_lite.engine.draft import Draft, Guess
from umi_lite.engine.library import EngineError
from umi_lite.engine.llama import Adapters, Model
from umi_lite.engine.request import Cost, Generation, Request, Stop


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many leading ids are equal."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


@dataclass(frozen=True)
class TurnAdapters:
    """The adapters that a turn computes with.

    Attributes:
        context: active while its transcript is read.
        own: active from the transcript's last token (the cue, which predicts the turn's first
            one) on. Where they are others than `context`, later turns read this turn as context.
    """

    context: Adapters = ()
    own: Adapters = ()

    @property
    def apart(self) -> bool:
        """True if what the turn computes is of no use to later turns."""
        return self.own != self.context


class Turn:
    """One request from its first unread token to its generation.

    `pending` are the tokens to evaluate next; once they are evaluated, `pick` takes the next
    token from the last one's logits. `stop` is set when the turn is complete.

    Args:
        reused: how many of the request's ids are in the cache already.
        matcher: llguidance's matcher at the grammar's start, None for free text.
        draft: guesses the turn, None for no guesses.
        adapters: default none.
    """

    def __init__(
        self,
        request: Request,
        model: Model,
        reused: int,
        matcher: Any,
        draft: Draft | None = None,
        adapters: TurnAdapters | None = None,
    ):
        self.request = request
        self.adapters = adapters or TurnAdapters()
        self.pending: list[int] = list(request.ids[reused:])
        self.stop: Stop | None = None
        self._model = model
        self._matcher = matcher
        self._draft = draft
        self._cost = Cost(prompt_tokens=len(request.ids), reused=reused)
        self._unread = len(self.pending)
        self._ids: list[int] = []
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._random: Any = None
        self._bias: CopyBias | None = None
        if request.values is not None and request.copy_bias:
            transcript = request.ids[request.shared :]
            self._bias = CopyBias(model, request.values, request.copy_bias, transcript)
        started = time.perf_counter()
        self._force()
        self._cost.grammar_seconds += time.perf_counter() - started

    @property
    def active(self) -> Adapters:
        """Return the adapters that the next tokens are evaluated with."""
        return self.adapters.context if self._unread > 1 else self.adapters.own

    @property
    def ready(self) -> int:
        """Return how many of the pending tokens are evaluated with these adapters."""
        if self.adapters.apart and self._unread > 1:
            return self._unread - 1
        return len(self.pending)

    @property
    def keeps(self) -> int | None:
        """Return how many tokens of it later turns can use, None for all."""
        return len(self.request.ids) - 1 if self.adapters.apart else None

    def fed(self, count: int, seconds: float) -> None:
        """Record that the first `count` pending tokens were evaluated, in `seconds`."""
        del self.pending[:count]
        read = min(count, self._unread)
        self._unread -= read
        self._cost.evaluated += read
        self._cost.decoded += count - read
        self._cost.prefill_seconds += seconds * read / count
        self._cost.decode_seconds += seconds * (count - read) / count

    def guess(self, most: int) -> list[Guess]:
        """Return at most `most` guesses of the tokens after the pending ones."""
        if self._draft is None or self.ready < len(self.pending):
            return []
        return self._draft.guess(min(most, self.request.max_tokens - len(self._ids) - 1))

    def tried(self, count: int) -> None:
        """Record that `count` guesses were evaluated with the pending tokens."""
        self._cost.drafted += count

    def follow(self, guess: Sequence[int]) -> int:
        """Return how many of the pending tokens were guessed, and so evaluated already."""
        same = common_prefix(self.pending, guess)
        if same:
            self.fed(same, 0.0)
        self._cost.accepted += same
        return same

    def pick(self, logits: Any) -> None:
        """Take the next token from the last evaluated one's logits (float32 [n_vocab])."""
        started = time.perf_counter()
        if self._bias is not None:
            logits = self._bias.apply(logits)
        token = self._choose(logits)
        chosen = time.perf_counter()
        if not self._takes(token):
            # Masks cost more than a check, and trained roles seldom need one.
            token = self._choose(self._legal(logits))
            if not self._takes(token):
                raise EngineError(f"the grammar's mask allowed a token it refuses ({token})")
        if token in self._model.eog:
            self.stop = "eot"
        else:
            self._append([token])
            self._after()
        self._cost.decode_seconds += chosen - started
        self._cost.grammar_seconds += time.perf_counter() - chosen

    def _takes(self, token: int) -> bool:
        """Return True if the grammar allows this token; an ordinary one is consumed."""
        if self._matcher is None:
            return True
        if token in self._model.eog:
            return self._matcher.is_accepting()
        return self._matcher.try_consume_tokens([token]) == 1

    def _choose(self, logits: Any) -> int:
        if self.request.temperature <= 0:
            return int(logits.argmax())
        import numpy as np

        if self._random is None:
            self._random = np.random.default_rng(self.request.seed)
        # Gumbel's trick: the argmax of noised logits is a sample of their softmax.
        noise = self._random.gumbel(size=logits.shape)
        return int((logits / self.request.temperature + noise).argmax())

    def _legal(self, logits: Any) -> Any:
        import numpy as np

        mask = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        legal = np.unpackbits(mask, bitorder="little")[: len(logits)].astype(bool)
        if not legal.any():
            raise EngineError(f"the grammar allows no token: {self._matcher.get_error()}")
        return np.where(legal, logits, -np.inf)

    def _after(self) -> None:
        """After a token, stop if the turn is complete, else append what the grammar forces."""
        if self._matcher is not None and self._matcher.is_stopped():
            if self._matcher.is_error():
                raise EngineError(f"llguidance stopped: {self._matcher.get_error()}")
            self.stop = "grammar"
        elif len(self._ids) >= self.request.max_tokens:
            self.stop = "length"
        else:
            self._force()

    def _force(self) -> None:
        if self._matcher is None:
            return
        forced = self._matcher.compute_ff_tokens()
        if forced:
            if not self._matcher.consume_tokens(forced):
                raise EngineError(f"llguidance stopped: {self._matcher.get_error()}")
            room = self.request.max_tokens - len(self._ids)
            self._cost.forced += min(room, len(forced))
            self._append(forced[:room])
            if len(forced) > room:
                # The grammar may be complete, but the turn is not.
                self.stop = "length"
            else:
                self._after()

    def _append(self, tokens: list[int]) -> None:
        self._ids += tokens
        self.pending += tokens
        if self._draft is not None:
            self._draft.extend(tokens)
        if self._bias is not None:
            self._bias.extend(tokens)
        if self.request.on_text is not None:
            text = self._utf8.decode(b"".join(map(self._model.piece, tokens)))
            if text:
                self.request.on_text(text)

    def generation(self) -> Generation:
        """Return the finished turn."""
        assert self.stop is not None
        self._cost.stop = self.stop
        return Generation.of(self._cost, ids=tuple(self._ids), text=self._model.decode(self._ids))


@dataclass(eq=False)
class Slot:
    """One sequence of the cache, its number `index`.

    `ids` are the tokens in it, `owner` the episode it serves, `used` when it was last
    assigned. `save_at` is how many ids it holds when its cache is to be saved, 0 for never.
    """

    index: int
    ids: list[int] = field(default_factory=list[int])
    owner: Hashable = None
    turn: Turn | None = None
    used: int = 0
    save_at: int = 0

    @property
    def stretch(self) -> int:
        """Return how many pending tokens can be evaluated now: up to where its cache is saved."""
        ready = self.turn.ready if self.turn is not None else 0
        return min(ready, self.save_at - len(self.ids)) if self.save_at else ready

    @property
    def kept(self) -> list[int]:
        """Return the ids that later turns can use: all but those that only its turn can."""
        return self.ids if self.turn is None else self.ids[: self.turn.keeps]
