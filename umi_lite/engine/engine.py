"""One base model with one llama.cpp context per view."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from umi_lite.engine.draft import Draft, Phrases
from umi_lite.engine.kv_slots import sequences
from umi_lite.engine.language import Language
from umi_lite.engine.library import library
from umi_lite.engine.llama import Context, KvType, Model
from umi_lite.engine.machine import cores
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request, check_size, view_of
from umi_lite.engine.scheduler import ViewScheduler
from umi_lite.engine.threads import Fixed, Threads
from umi_lite.engine.turn import Turn
from umi_lite.errors import UserError
from umi_lite.protocol.roles import View

# A view with less than this fraction of the busiest view's work gives way to it.
NEARLY_EMPTY = 0.15


class Engine:
    """Generates the turns of every view over one shared base model.

    A view's context (cache of `slots` x `n_ctx` tokens, its adapter pinned) is made when the
    view first generates. It is a context manager; `close` frees everything.

    Args:
        base: the base model's GGUF.
        adapters: the views that can speak, each with its LoRA GGUF or None for the bare model.
        models: views with a GGUF of their own in place of the base: a merged adapter, or
            another model with its own vocabulary and chat template.
        templates: chat templates of views whose prompts are not written in their GGUF's own.
        n_ctx: tokens of one transcript, default 2048.
        slots: how many episodes run at once, default 1.
        threads: default at most `machine.cores`, fewer while other programs compute.
        n_gpu_layers: `auto` puts all layers on the GPU where llama.cpp was built for one.
        n_batch: tokens of one evaluation, default 512.
        kv: the type of cached keys and values, default f16.
        prefixes: each view's evaluated system messages on disk, default none.
        phrases: n-grams that turns of a view are drafted from.

    Raises:
        UserError: a file is missing, truncated or of another kind, an adapter is of another
            architecture, or the chat template is missing or not append-only.
    """

    _turn: ClassVar[type[Turn]] = Turn

    def __init__(
        self,
        base: Path,
        adapters: Mapping[View, Path | None],
        *,
        models: Mapping[View, Path] | None = None,
        templates: Mapping[View, str] | None = None,
        n_ctx: int = 2048,
        slots: int = 1,
        threads: int | None = None,
        n_gpu_layers: int | Literal["auto"] = "auto",
        n_batch: int = 512,
        kv: KvType = "f16",
        prefixes: Mapping[View, Prefixes] | None = None,
        phrases: Mapping[View, Phrases] | None = None,
    ):
        if n_ctx < 1 or slots < 1:
            raise UserError(f"n_ctx and slots are at least 1, not {n_ctx} and {slots}")
        if n_gpu_layers == "auto":
            n_gpu_layers = -1 if library().llama_supports_gpu_offload() else 0
        self.base = Path(base)
        self.n_ctx = n_ctx
        self.slots = slots
        self.threads = threads or cores()
        self._threads = Fixed(threads) if threads else Threads(self.threads)
        self._n_batch = n_batch
        self._kv: KvType = kv
        self._prefixes = dict(prefixes or {})
        self.phrases = dict(phrases or {})
        self._schedulers: dict[View, ViewScheduler] = {}
        self._current: ViewScheduler | None = None
        self._own = dict(models or {})
        self._models: dict[Path, Model] = {}
        self._languages: dict[View, Language] = {}
        try:
            for view in adapters:
                path, template = self._home(view), (templates or {}).get(view)
                if path not in self._models:
                    self._models[path] = Model(path, n_gpu_layers)
                model = self._models[path]
                same = (
                    language
                    for language in self._languages.values()
                    if language.reads_as(model, template)
                )
                self._languages[view] = next(same, None) or Language(model, template)
            files = {(self._home(v), path) for v, path in adapters.items() if path is not None}
            loaded = {key: self._models[key[0]].adapter(key[1]) for key in sorted(files)}
            self._adapters: dict[View, Any] = {
                view: None if path is None else loaded[self._home(view), path]
                for view, path in adapters.items()
            }
        except BaseException:
            for model in self._models.values():
                model.close()
            raise
        self._threads.look()

    @property
    def views(self) -> tuple[View, ...]:
        """The views that can speak."""
        return tuple(self._adapters)

    def view_of(self, role: View) -> View:
        """Return the view whose transcript has a role's turns: `backbone` if no other can speak."""
        return view_of(role, self._adapters)

    def speaker_of(self, role: View) -> View:
        """Return the view whose adapter takes a role's turns."""
        return self.view_of(role)

    @property
    def load(self) -> int:
        """Return how many requests are unfinished."""
        return sum(scheduler.load for scheduler in self._schedulers.values())

    def language(self, view: View) -> Language:
        """Return the tokenizer, template and grammars of a view's model.

        Raises:
            UserError: an unknown view.
        """
        if view not in self._adapters:
            known = ", ".join(self._adapters)
            raise UserError(f"this engine has no view {view!r}; it has: {known}")
        return self._languages[view]

    def warm(self) -> None:
        """Build in advance what the first turns would wait for: contexts, grammar vocabulary."""
        for view in self._adapters:
            self._scheduler(view)
            _ = self.language(view).tokens

    def generate(self, request: Request) -> Generation:
        """Generate one turn, alone.

        Raises:
            UserError: the request does not fit (see `submit`), or unfinished episodes hold all
                slots of its view.
        """
        self.submit(request)
        try:
            while True:
                finished = self.step()
                for done, generation in finished:
                    if done is request:
                        return generation
                if not finished and not any(
                    scheduler.active for scheduler in self._schedulers.values()
                ):
                    raise UserError(
                        f"all {self.slots} slots of {request.view} are held by unfinished "
                        "episodes; release one, or give the engine more slots"
                    )
        except BaseException:
            self.release(request.owner)
            raise

    def submit(self, request: Request) -> None:
        """Queue a request; `step` works on it.

        Raises:
            UserError: an unknown view, an empty transcript, one that leaves no room for
                `max_tokens` in `n_ctx`, or a grammar that llguidance refuses.
        """
        language = self.language(request.view)
        check_size(request, self.n_ctx)
        if request.grammar is not None:
            language.kept_matcher(request.grammar)
        self._scheduler(request.view).submit(request)

    def step(self) -> list[tuple[Request, Generation]]:
        """Run one evaluation in one view's context; return the requests finished by it.

        The engine stays with a view until little is left to do there: the others' requests
        gather meanwhile, and a fuller batch costs hardly more than an emptier one.
        """
        busiest = max(self._schedulers.values(), key=lambda scheduler: scheduler.load, default=None)
        if busiest is None or not busiest.load:
            return []
        if self._current is None or self._current.load < NEARLY_EMPTY * busiest.load:
            self._current = busiest
        with self._threads.computing() as count:
            self._current.compute_on(count)
            return self._current.round()

    def release(self, episode: Hashable) -> None:
        """Free an episode's slots for others and drop its unfinished requests."""
        for scheduler in self._schedulers.values():
            scheduler.release(episode)

    def forget(self) -> None:
        """Empty the caches: the next requests evaluate their whole prompts."""
        for scheduler in self._schedulers.values():
            scheduler.forget()

    def cached(self, view: View, episode: Hashable) -> list[int]:
        """Return the token ids that the cache holds for an episode, [] if none."""
        return self._schedulers[view].cached(episode) if view in self._schedulers else []

    def close(self) -> None:
        """Free the contexts, the adapters and the model."""
        for scheduler in self._schedulers.values():
            scheduler.close()
        self._schedulers.clear()
        self._current = None
        for language in self._languages.values():
            language.close()
        for model in self._models.values():
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _home(self, view: View) -> Path:
        """Return the GGUF that a view runs on."""
        return self._own.get(view, self.base)

    def _scheduler(self, view: View) -> ViewScheduler:
        if view not in self._schedulers:
            context = Context(
                self._models[self._home(view)],
                self._adapters[view],
                n_ctx=self.n_ctx,
                slots=sequences(self.slots),
                threads=self.threads,
                n_batch=self._n_batch,
                kv=self._kv,
            )
            self._schedulers[view] = ViewScheduler(
                context, self.slots, self._start, self._prefixes.get(view)
            )
        return self._schedulers[view]

    def _start(self, request: Request, reused: int) -> Turn:
        grammar = request.grammar
        matcher = None if grammar is None else self._languages[request.view].matcher(grammar)
        phrases = self.phrases.get(request.view)
        draft = None if phrases is None else Draft(phrases, request.ids[request.shared :])
        return self._turn(request, self._models[self._home(request.view)], reused, matcher, draft)
