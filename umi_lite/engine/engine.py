"""One base model, one context per view: what the agent loop runs on."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from umi_lite.engine.draft import Draft, Phrases
from umi_lite.engine.kv_slots import sequences
from umi_lite.engine.language import Words
from umi_lite.engine.library import library
from umi_lite.engine.llama import Context, KvType, Model
from umi_lite.engine.machine import cores
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request, check_size
from umi_lite.engine.scheduler import Lane
from umi_lite.engine.threads import Fixed, Threads
from umi_lite.engine.turn import Turn
from umi_lite.errors import UserError
from umi_lite.protocol.roles import View

# A view with less work than this share of the busiest one's gives way to it.
NEARLY_EMPTY = 0.15


class Engine:
    """Generates the turns of every view over one shared base model.

    A view's context (cache of `slots` x `n_ctx` tokens, its adapter pinned) is made when the
    view first speaks. It is a context manager; `close` frees everything.

    Args:
        base: the base model's GGUF.
        adapters: the views that can speak, each with its LoRA GGUF or None for the bare model.
        models: views with a GGUF of their own in place of the base: a folded adapter, or
            another model with its own vocabulary and chat template.
        templates: chat templates of views whose prompts are not written in their GGUF's own.
        n_ctx: tokens of one transcript, default 2048.
        slots: how many episodes run at once, default 1.
        threads: default at most `machine.cores`, fewer while other programs compute.
        n_gpu_layers: `auto` puts all layers on the GPU where llama.cpp was built for one.
        n_batch: tokens of one evaluation, default 512.
        kv: the type of cached keys and values, default f16.
        prefixes: where each view's system messages are kept on disk as read, default nowhere.
        phrases: what views usually say; a turn that runs alone is then drafted from it.

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
        self._lanes: dict[View, Lane] = {}
        self._current: Lane | None = None
        self._own = dict(models or {})
        self._models: dict[Path, Model] = {}
        self._words: dict[View, Words] = {}
        try:
            for view in adapters:
                path, template = self._home(view), (templates or {}).get(view)
                if path not in self._models:
                    self._models[path] = Model(path, n_gpu_layers)
                model = self._models[path]
                same = (words for words in self._words.values() if words.reads_as(model, template))
                self._words[view] = next(same, None) or Words(model, template)
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

    @property
    def load(self) -> int:
        """How many requests are unfinished."""
        return sum(lane.load for lane in self._lanes.values())

    def words(self, view: View) -> Words:
        """The tokenizer, template and grammars of a view's model.

        Raises:
            UserError: there is no such view.
        """
        if view not in self._adapters:
            known = ", ".join(self._adapters)
            raise UserError(f"this engine has no view {view!r}; it has: {known}")
        return self._words[view]

    def warm(self) -> None:
        """Make now what the first turns would wait for: contexts, and grammars' vocabulary."""
        for view in self._adapters:
            self._lane(view)
            _ = self.words(view).tokens

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
                if not finished and not any(lane.active for lane in self._lanes.values()):
                    raise UserError(
                        f"all {self.slots} slots of {request.view} are held by episodes that go "
                        "on; release one, or give the engine more slots"
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
        words = self.words(request.view)
        check_size(request, self.n_ctx)
        if request.grammar is not None:
            words.kept_matcher(request.grammar)
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
        with self._threads.computing() as count:
            self._current.compute_on(count)
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
        for words in self._words.values():
            words.close()
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
                slots=sequences(self.slots),
                threads=self.threads,
                n_batch=self._n_batch,
                kv=self._kv,
            )
            self._lanes[view] = Lane(context, self.slots, self._start, self._prefixes.get(view))
        return self._lanes[view]

    def _start(self, request: Request, reused: int) -> Turn:
        grammar = request.grammar
        matcher = None if grammar is None else self._words[request.view].matcher(grammar)
        phrases = self.phrases.get(request.view)
        draft = None if phrases is None else Draft(phrases, request.ids[request.shared :])
        return self._turn(request, self._models[self._home(request.view)], reused, matcher, draft)
