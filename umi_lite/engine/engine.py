"""One base model with one llama.cpp context per view."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from umi_lite.engine.batch import next_group
from umi_lite.engine.context import Context, KvType
from umi_lite.engine.draft import Draft, Phrases
from umi_lite.engine.kv_slots import sequences
from umi_lite.engine.language import Language
from umi_lite.engine.library import library
from umi_lite.engine.llama import Adapters, Model
from umi_lite.engine.machine import cores
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request, check_size, view_of
from umi_lite.engine.scheduler import ViewScheduler
from umi_lite.engine.threads import Fixed, Threads
from umi_lite.engine.turn import Turn, TurnAdapters
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import View


class Engine:
    """Generates the turns of every role over one shared base model.

    A role has a view of its own (a transcript, read with the view's adapter), or shares the one of
    `backbone` and has an adapter that is active in its own turns only. A view's context (cache of
    `slots` x `n_ctx` tokens) is made when it first generates. An engine is a context manager;
    `close` frees everything.

    Args:
        base: the base model's GGUF.
        adapters: the views, each with its LoRA GGUF or None for the bare model.
        roles: LoRA GGUFs of roles that share the view `backbone`, each active in addition to
            that view's adapter from the token before its role's turn on (`TurnAdapters`).
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
        phrases: n-grams that a role's turns are drafted from.

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
        roles: Mapping[View, Path] | None = None,
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
        if roles and "backbone" not in adapters:
            raise UserError(
                f"{', '.join(roles)} share the view backbone, which is not among adapters"
            )
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
            files = {(self._home(view), path) for view, path in adapters.items() if path}
            files |= {(self._home("backbone"), path) for path in (roles or {}).values()}
            loaded = {key: self._models[key[0]].adapter(key[1]) for key in sorted(files)}
            self._adapters: dict[View, Adapters] = {
                view: () if path is None else (loaded[self._home(view), path],)
                for view, path in adapters.items()
            }
            self._roles: dict[View, Adapters] = {
                role: (*self._adapters["backbone"], loaded[self._home("backbone"), path])
                for role, path in (roles or {}).items()
            }
        except BaseException:
            for model in self._models.values():
                model.close()
            raise
        self._threads.look()

    @property
    def views(self) -> tuple[View, ...]:
        """The views: whose transcripts are kept."""
        return tuple(self._adapters)

    @property
    def roles(self) -> tuple[View, ...]:
        """The roles that share the view `backbone`, each with an adapter for its own turns."""
        return tuple(self._roles)

    def view_of(self, role: View) -> View:
        """Return the view whose transcript has a role's turns: its own, or `backbone`."""
        return view_of(role, self._adapters)

    def speaker_of(self, role: View) -> View:
        """Return whose adapter acts on a role's turns: the role itself, or its view."""
        return role if role in self._roles else self.view_of(role)

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

        The engine stays with a view until little is left to do there (`batch.next_group`).
        """
        loads = {scheduler: scheduler.load for scheduler in self._schedulers.values()}
        if not any(loads.values()):
            return []
        self._current = next_group(self._current, loads)
        with self._threads.computing() as count:
            self._current.compute_on(count)
            return self._current.round()

    def interrupt(self) -> None:
        """Make `step` return soon: stop its evaluation, which the next one repeats.

        May be called from any thread. After four in a row an evaluation is finished.
        """
        for scheduler in list(self._schedulers.values()):
            scheduler.interrupt()

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
        speaker = request.speaker or request.view
        phrases = self.phrases.get(speaker)
        draft = None if phrases is None else Draft(phrases, request.ids[request.shared :])
        model = self._models[self._home(request.view)]
        context = self._adapters[request.view]
        own = self._roles.get(speaker, context) if request.view == "backbone" else context
        adapters = TurnAdapters(context, own)
        return self._turn(request, model, reused, matcher, draft, adapters)
