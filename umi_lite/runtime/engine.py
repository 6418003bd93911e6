"""One base model, one context per view: what the agent loop runs on."""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from umi_lite.protocol.errors import UserError
from umi_lite.protocol.roles import View
from umi_lite.protocol.template import BadTemplate, ChatTemplate
from umi_lite.runtime.decode import Turn
from umi_lite.runtime.lanes import Lane
from umi_lite.runtime.llama import Context, Model, library, physical_cores
from umi_lite.runtime.prefixes import Prefixes
from umi_lite.runtime.request import Generation, Request

_KEPT_GRAMMARS = 64
# A view with less work than this share of the busiest one's gives way to it.
NEARLY_EMPTY = 0.15


class Engine:
    """Generates the turns of every view over one shared base model.

    A view's context (cache of `slots` x `n_ctx` tokens, its adapter pinned) is made when the
    view first speaks. It is a context manager; `close` frees everything.

    Args:
        base: the base model's GGUF.
        adapters: the views that can speak, each with its LoRA GGUF or None for the bare model.
        models: views with a GGUF of their own in place of the base (a folded adapter, a model
            of another size), of the base's vocabulary and chat template.
        n_ctx: tokens of one transcript, default 2048.
        slots: how many episodes run at once, default 1.
        threads: default the physical cores this process may use.
        n_gpu_layers: `auto` puts all layers on the GPU where llama.cpp was built for one.
        n_batch: tokens of one evaluation, default 512.
        prefixes: where each view's system messages are kept on disk as read, default nowhere.

    Raises:
        UserError: a file is missing, truncated or of another kind, an adapter is of another
            architecture, or the chat template is missing or not append-only.
    """

    def __init__(
        self,
        base: Path,
        adapters: Mapping[View, Path | None],
        *,
        models: Mapping[View, Path] | None = None,
        n_ctx: int = 2048,
        slots: int = 1,
        threads: int | None = None,
        n_gpu_layers: int | Literal["auto"] = "auto",
        n_batch: int = 512,
        prefixes: Mapping[View, Prefixes] | None = None,
    ):
        if n_ctx < 1 or slots < 1:
            raise UserError(f"n_ctx and slots are at least 1, not {n_ctx} and {slots}")
        if n_gpu_layers == "auto":
            n_gpu_layers = -1 if library().llama_supports_gpu_offload() else 0
        self.base = Path(base)
        self.n_ctx = n_ctx
        self.slots = slots
        self.threads = threads or physical_cores()
        self._n_batch = n_batch
        self._prefixes = dict(prefixes or {})
        self._lanes: dict[View, Lane] = {}
        self._current: Lane | None = None
        self._matchers: dict[str, Any] = {}
        self._own = dict(models or {})
        self._model = Model(self.base, n_gpu_layers)
        self._models = {self.base: self._model}
        try:
            for path in self._own.values():
                if path not in self._models:
                    self._models[path] = Model(path, n_gpu_layers)
                    _check_same_words(self._models[path], self._model)
            files = {(self._home(v), path) for v, path in adapters.items() if path is not None}
            loaded = {key: self._models[key[0]].adapter(key[1]) for key in sorted(files)}
            self._adapters: dict[View, Any] = {
                view: None if path is None else loaded[self._home(view), path]
                for view, path in adapters.items()
            }
            self.template = _template(self._model)
        except BaseException:
            for model in self._models.values():
                model.close()
            raise

    @property
    def views(self) -> tuple[View, ...]:
        """The views that can speak."""
        return tuple(self._adapters)

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids, without a BOS. `special`: are special tokens in `text` parsed?"""
        return self._model.encode(text, special=special)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens as their names."""
        return self._model.decode(ids)

    def generate(self, request: Request) -> Generation:
        """Generate one turn, alone.

        Raises:
            UserError: the request does not fit (see `submit`).
        """
        self.submit(request)
        try:
            while True:
                for done, generation in self.step():
                    if done is request:
                        return generation
        except BaseException:
            self.release(request if request.episode is None else request.episode)
            raise

    def submit(self, request: Request) -> None:
        """Queue a request; `step` works on it.

        Raises:
            UserError: an unknown view, an empty transcript, one that leaves no room for
                `max_tokens` in `n_ctx`, or a grammar that llguidance refuses.
        """
        if request.view not in self._adapters:
            known = ", ".join(self._adapters)
            raise UserError(f"this engine has no view {request.view!r}; it has: {known}")
        size = len(request.ids)
        if not 0 < size <= self.n_ctx - request.max_tokens:
            raise UserError(
                f"a transcript of {size} tokens and a turn of {request.max_tokens} do not fit "
                f"a context of {self.n_ctx}; raise n_ctx or lower the bounds"
            )
        if request.grammar is not None:
            self._matcher(request.grammar)
        self._lane(request.view).submit(request)

    def step(self) -> list[tuple[Request, Generation]]:
        """One evaluation in one view's context; the requests finished by it.

        It stays with a view until hardly anything is left to do there: the others' requests
        gather meanwhile, and a fuller batch costs hardly more than an emptier one.
        """
        busiest = max(self._lanes.values(), key=lambda lane: lane.load, default=None)
        if busiest is None or not busiest.load:
            return []
        if self._current is None or self._current.load < NEARLY_EMPTY * busiest.load:
            self._current = busiest
        return self._current.round()

    def release(self, episode: Hashable) -> None:
        """The episode is over: its slots serve others, its unfinished requests are dropped."""
        for lane in self._lanes.values():
            lane.release(episode)

    def forget(self) -> None:
        """Empty the caches: the next requests read everything."""
        for lane in self._lanes.values():
            lane.forget()

    def cached(self, view: View, episode: Hashable) -> list[int]:
        """The token ids that the cache holds for an episode, empty where it holds none."""
        return self._lanes[view].cached(episode) if view in self._lanes else []

    def close(self) -> None:
        """Free the contexts, the adapters and the model."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()
        self._current = None
        self._matchers.clear()
        self.__dict__.pop("_tokens", None)
        for model in self._models.values():
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _home(self, view: View) -> Path:
        """The GGUF that a view runs on."""
        return self._own.get(view, self.base)

    def _lane(self, view: View) -> Lane:
        if view not in self._lanes:
            context = Context(
                self._models[self._home(view)],
                self._adapters[view],
                n_ctx=self.n_ctx,
                slots=self.slots,
                threads=self.threads,
                n_batch=self._n_batch,
            )
            self._lanes[view] = Lane(context, self.slots, self._start, self._prefixes.get(view))
        return self._lanes[view]

    def _start(self, request: Request, reused: int) -> Turn:
        matcher = None if request.grammar is None else self._matcher(request.grammar).deep_copy()
        return Turn(request, self._model, reused, matcher)

    @cached_property
    def _tokens(self) -> Any:
        from llguidance.llamacpp import lltokenizer_from_vocab

        with warnings.catch_warnings():
            # llguidance asks llama.cpp for each token's kind by a name of last year.
            warnings.simplefilter("ignore", DeprecationWarning)
            return lltokenizer_from_vocab(self._model.vocab, eos_token=sorted(self._model.eog))

    def _matcher(self, grammar: str) -> Any:
        """A matcher at the grammar's start, to copy from: setting one up takes 9 ms."""
        if grammar not in self._matchers:
            from llguidance import LLMatcher

            matcher = LLMatcher(self._tokens, grammar)
            if matcher.is_error():
                reason = " ".join(matcher.get_error().split())
                raise UserError(f"the grammar cannot be used: {reason}")
            if len(self._matchers) >= _KEPT_GRAMMARS:
                del self._matchers[next(iter(self._matchers))]
            self._matchers[grammar] = matcher
        return self._matchers[grammar]


def _check_same_words(model: Model, base: Model) -> None:
    """Do a role's own model and the base read the same tokens from a transcript?"""
    if (model.n_vocab, model.chat_template) != (base.n_vocab, base.chat_template):
        raise UserError(
            f"model {model.path} has another vocabulary or chat template than {base.path.name}: "
            "roles of one engine share both"
        )


def _template(model: Model) -> ChatTemplate:
    """The GGUF's own chat template, and the token that really ends a turn in it."""
    source = model.chat_template
    if source is None:
        raise UserError(f"model {model.path} has no chat template (tokenizer.chat_template)")
    ids = {name: model.special(name) for name in ("bos", "eos", "eot")}
    text = {name: "" if i is None else model.decode([i]) for name, i in ids.items()}
    # Metadata often names the wrong one of them: the template itself decides.
    ends = dict.fromkeys(
        model.decode([i]) for i in (ids["eot"], ids["eos"], *sorted(model.eog)) if i is not None
    )
    refusal = BadTemplate(f"model {model.path} has no token that ends a turn")
    for end in ends:
        try:
            return ChatTemplate(source, end_of_turn=end, bos=text["bos"], eos=text["eos"])
        except BadTemplate as err:
            refusal = err
    raise refusal
