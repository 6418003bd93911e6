"""Roles served by an OpenAI-compatible endpoint, next to those that run here.

For instance a vLLM server with the three adapters loaded. A role's prompt is sent as token ids to
`/v1/completions`: the chat route would apply a template of its own, and could not continue
where another role stopped.
"""

import time
from collections.abc import Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

from umi_lite.engine.client import MALFORMED, TIMEOUT, Endpoint, tried
from umi_lite.engine.engine import Engine
from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Generation, Request, Stop, TurnFailed, check_size, view_of
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import View

_SHOWN = 300


# Seconds after which `step` returns, so that its caller can take or end episodes.
_LOOK = 0.2
# A server that answers at all lists its models at once.
_LISTING = 30.0


class EndpointRole:
    """Generates one role's turns at an endpoint; the key is read from OPENAI_API_KEY.

    A vLLM server is sent the grammar (it needs `--structured-outputs-config.backend guidance`).
    Every server's text is checked as it arrives: the turn ends where the grammar does, and a
    turn that leaves the grammar stops there, for the loop to refuse.

    Args:
        language: the served model's, so that prompts have its token ids.

    Raises:
        UserError: no server answers, or it does not serve the model.
    """

    def __init__(self, endpoint: Endpoint, language: Language, timeout: float = TIMEOUT):
        self.endpoint = endpoint
        self.language = language
        self._timeout = timeout
        self._client = endpoint.client(timeout, max_retries=0)
        served = self._served(min(timeout, _LISTING))
        if endpoint.model not in served:
            raise UserError(
                f"endpoint {endpoint.url} has no model {endpoint.model!r}; it has: "
                f"{', '.join(sorted(served))}"
            )
        self._takes_grammars = served[endpoint.model] == "vllm"

    def speak(self, request: Request) -> Generation:
        """Return one turn; `evaluated` counts all prompt tokens, as servers do not report reuse.

        Raises:
            UserError: the server cannot be reached, refuses, or sends what is not a completion.
        """
        started = time.perf_counter()
        first = None
        turn = _StreamedTurn(request, self.language)
        for text, finish_reason in self._stretches(request):
            first = first or time.perf_counter()
            turn.take(text, finish_reason)
            if turn.stop is not None:
                break
        if turn.stop is None:
            raise self.endpoint.failure(ValueError("it ends without a finish_reason"), 0)
        ended = time.perf_counter()
        ids = self.language.encode(turn.text, special=False)
        return Generation(
            ids=tuple(ids),
            text=turn.text,
            stop=turn.stop,
            prompt_tokens=len(request.ids),
            evaluated=len(request.ids),
            decoded=len(ids),
            prefill_seconds=(first or ended) - started,
            decode_seconds=ended - (first or ended),
        )

    def _served(self, timeout: float) -> dict[str, str | None]:
        """Return the models served there, each with its owner."""
        import openai

        try:
            listed = tried(lambda: self._client.models.list(timeout=timeout))
            served = {one.id: getattr(one, "owned_by", None) for one in listed if one.id}
            if not served:
                raise ValueError("it lists no models")
            return served
        except (openai.OpenAIError, *MALFORMED) as err:
            raise self.endpoint.failure(err, timeout) from err

    def _stretches(self, request: Request) -> Iterator[tuple[str, str | None]]:
        """Yield the text as it arrives, the last stretch with its finish reason."""
        import openai

        try:
            with tried(lambda: self._stream(request)) as stream:
                for chunk in stream:
                    for choice in chunk.choices:
                        if choice.text is None and choice.finish_reason is None:
                            raise ValueError("a choice without text")
                        yield choice.text or "", choice.finish_reason
        except (openai.OpenAIError, *MALFORMED) as err:
            raise self.endpoint.failure(err, self._timeout) from err

    def _stream(self, request: Request) -> Any:
        body: dict[str, Any] = {}
        if self._takes_grammars and request.grammar is not None:
            body["structured_outputs"] = {"grammar": request.grammar}
        return self._client.completions.create(
            model=self.endpoint.model,
            prompt=list(request.ids),
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            stop=[self.language.template.end_of_turn],
            stream=True,
            extra_body=body,
        )


class _StreamedTurn:
    """The part of a turn that has arrived, checked against its grammar."""

    def __init__(self, request: Request, language: Language):
        self.text = ""
        self.stop: Stop | None = None
        self._language = language
        self._on_text = request.on_text
        self._matcher = None if request.grammar is None else language.matcher(request.grammar)

    def take(self, text: str, finish_reason: str | None) -> None:
        """Add a stretch; illegal text is kept, so that the trace shows it."""
        text = self._checked(text)
        self.text += text
        if text and self._on_text is not None:
            self._on_text(text)
        if self.stop is None and finish_reason is not None:
            ended = self._matcher is None or self._matcher.is_accepting()
            self.stop = "length" if finish_reason == "length" else "eot" if ended else "illegal"

    def _checked(self, text: str) -> str:
        if self._matcher is None:
            return text
        taken: list[int] = []
        for token in self._language.encode(text, special=False):
            if self._matcher.try_consume_tokens([token]) != 1:
                self.stop = "illegal"
                return text
            taken.append(token)
            if self._matcher.is_stopped():
                self.stop = "grammar"
                return self._language.decode(taken)
        return text


class HybridEngine:
    """A local engine and roles served elsewhere; it owns the engine.

    Args:
        here: the roles that run here, possibly none.
        away: the endpoints of the others.
        template: the chat template of their prompts if it is not the base's.
        timeout: seconds without a byte after which a request is given up.

    Raises:
        UserError: see `EndpointRole`.
    """

    def __init__(
        self,
        here: Engine,
        away: dict[View, Endpoint],
        template: str | None = None,
        timeout: float = TIMEOUT,
    ):
        self._here = here
        self._vocabulary = Model.vocabulary(here.base)
        try:
            self._language = Language(self._vocabulary, template)
            self._away: dict[View, EndpointRole] = {
                v: EndpointRole(at, self._language, timeout) for v, at in away.items()
            }
        except BaseException:
            self._vocabulary.close()
            raise
        self._pool = ThreadPoolExecutor(here.slots, thread_name_prefix="endpoint")
        self._asked: dict[Request, Future[Generation]] = {}

    @property
    def base(self) -> Path:
        return self._here.base

    @property
    def n_ctx(self) -> int:
        return self._here.n_ctx

    @property
    def slots(self) -> int:
        return self._here.slots

    def view_of(self, role: View) -> View:
        """See `Engine.view_of`."""
        return view_of(role, (*self._here.views, *self._away))

    def speaker_of(self, role: View) -> View:
        """See `Engine.speaker_of`."""
        return role if role in self._here.roles else self.view_of(role)

    def language(self, view: View) -> Language:
        """See `Engine.language`."""
        return self._away[view].language if view in self._away else self._here.language(view)

    def warm(self) -> None:
        """See `Engine.warm`."""
        self._here.warm()

    def generate(self, request: Request) -> Generation:
        """See `Engine.generate`."""
        if request.view not in self._away:
            return self._here.generate(request)
        check_size(request, self.n_ctx)
        return self._away[request.view].speak(request)

    def submit(self, request: Request) -> None:
        """See `Engine.submit`."""
        if request.view not in self._away:
            self._here.submit(request)
            return
        check_size(request, self.n_ctx)
        self._asked[request] = self._pool.submit(self._away[request.view].speak, request)

    def step(self) -> list[tuple[Request, Generation]]:
        """See `Engine.step`; waits for an endpoint only if the local engine is idle, 0.2 s.

        Raises:
            TurnFailed: an endpoint's turn failed; raised when no other turn has just ended.
        """
        done = self._here.step()
        if not done and not self._here.load and self._asked:
            wait(self._asked.values(), timeout=_LOOK, return_when=FIRST_COMPLETED)
        answered = [request for request, future in self._asked.items() if future.done()]
        failed = {r: err for r in answered if (err := self._asked[r].exception()) is not None}
        done += [(r, self._asked.pop(r).result()) for r in answered if r not in failed]
        if failed and not done:
            request, err = next(iter(failed.items()))
            del self._asked[request]
            if isinstance(err, UserError):
                raise TurnFailed(request, str(err)) from err
            raise err
        return done

    def interrupt(self) -> None:
        """See `Engine.interrupt`."""
        self._here.interrupt()

    def release(self, episode: Hashable) -> None:
        """See `Engine.release`."""
        self._here.release(episode)
        for request in [request for request in self._asked if request.owner == episode]:
            self._asked.pop(request).cancel()

    def close(self) -> None:
        """Free the engine without waiting for unfinished requests."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._here.close()
        self._language.close()
        self._vocabulary.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
