"""What a recipe's run reads: its data, its base model, tokenizer and chat template."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from umi_lite.data import bfcl
from umi_lite.data.leaks import Leak, find_leaks
from umi_lite.data.load import find_source, load_questions, load_source
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.vary import varied
from umi_lite.data.why_nothing import why_nothing
from umi_lite.engine.language import read_texts
from umi_lite.errors import UserError
from umi_lite.files import cache_folder
from umi_lite.hub import check_model
from umi_lite.protocol.jinja import BadTemplate
from umi_lite.protocol.prompts import view_messages
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.library import template_names, template_text
from umi_lite.recipe.schema import Data, Recipe, base_gguf
from umi_lite.train.loading import loading
from umi_lite.train.sayable import only_sayable
from umi_lite.train.tokenizer import Language, load_language
from umi_lite.weights.gguf_to_hf import hf_folder

_Load = Callable[[str, Mapping[str, Any]], Loaded]


def load_data(recipe: Recipe) -> Loaded:
    """Load the trajectories of all the recipe's sources, varied, and what was dropped.

    Leaks (the instruction is in the recipe's held-out data too, or in BFCL where its package is
    installed) are among the dropped. In style `chat`, turns that no agent could say are context
    only (`train.sayable`).

    Raises:
        UserError: an option that a source does not have, a file that is missing (the held-out
            one too), nothing left to train on, or more than half of it leaks.
    """
    loaded = _load(recipe.data, load_source, recipe.name, recipe.seed)
    if recipe.style == "chat":
        loaded = only_sayable(loaded)
    leaks = {leak.index: leak for leak in _leaks(recipe, loaded)}
    if 2 * len(leaks) > len(loaded.trajectories):
        first = next(iter(leaks.values()))
        raise UserError(
            f"recipe {recipe.name}: {len(leaks)} of {len(loaded.trajectories)} training tasks are "
            f"in its held-out data (first: {first.trained.id} is {first.held_out.id}); "
            "data and eval.data must be different files or splits"
        )
    loaded.dropped += [Dropped(leak.trained.id, _why(leak)) for leak in leaks.values()]
    kept = [t for i, t in enumerate(loaded.trajectories) if i not in leaks]
    return Loaded(kept, loaded.dropped, loaded.amended)


def load_eval(recipe: Recipe) -> list[tuple[Data, Loaded]]:
    """Load the recipe's held-out sets."""
    return [(data, _load((data,), load_questions, recipe.name)) for data in recipe.eval.data]


def leaks_of(recipe: Recipe) -> list[Leak]:
    """Return the recipe's training data that is in its held-out data too.

    Raises:
        UserError: as `load_data`, but for no amount of leaks.
    """
    return _leaks(recipe, _load(recipe.data, load_source, recipe.name))


def _leaks(recipe: Recipe, loaded: Loaded) -> list[Leak]:
    compared = [data for data in recipe.eval.data if not _apart(data, recipe.data)]
    if recipe.eval.static:
        compared.append(Data(source="toolbench", path=recipe.eval.static))
    try:
        parts = [_load((data,), load_questions, recipe.name) for data in compared]
    except UserError as err:
        raise UserError(f"{err} (held-out data is compared with what is trained)") from None
    held_out = [t for part in parts for t in part.trajectories]
    return find_leaks(loaded.trajectories, [*held_out, *bfcl.held_out()])


def _apart(held_out: Data, trained: tuple[Data, ...]) -> bool:
    """True for other splits of generated sources, which share no values by construction."""
    splits = {data.split or "train" for data in trained if data.source == held_out.source}
    apart = all(find_source(data.source).apart for data in (held_out, *trained))
    return apart and (held_out.split or "train") not in splits


def _why(leak: Leak) -> str:
    same = "word for word" if leak.exact else "nearly word for word"
    return f"LEAK: its instruction is in the held-out data, {same}"


def _load(
    sources: tuple[Data, ...], load: _Load, name: str, vary_seed: int | None = None
) -> Loaded:
    """Load sources; with a seed, each is varied as its `vary` says."""
    loaded = Loaded([])
    nothing: list[str] = []
    for data in sources:
        try:
            part = load(data.source, data.options())
        except UserError as err:
            raise UserError(f"recipe {name}: {err}") from None
        if not part.trajectories:
            nothing.append(why_nothing(data.source, data.options(), part))
        if data.vary is not None and vary_seed is not None:
            part = varied(part, data.vary, vary_seed)
        loaded.trajectories += part.trajectories
        loaded.dropped += part.dropped
        loaded.amended += part.amended
    if not loaded.trajectories:
        raise UserError(f"recipe {name}: its data holds no trajectory: {'; '.join(nothing)}")
    return loaded


def base_model(recipe: Recipe, on_start: Callable[[Path], None] | None = None) -> str:
    """Return the folder or hub id to train on; a base that is only a GGUF is dequantised first.

    Args:
        on_start: called with the folder's path before a GGUF is dequantised (some seconds).

    Raises:
        UserError: see `base_gguf` and `check_model`.
    """
    if recipe.base.model:
        check_model(recipe.base.model)
        return recipe.base.model
    gguf = base_gguf(recipe)
    assert gguf is not None  # the schema fills it in where model is None
    return str(hf_folder(gguf, cache_folder(), on_start=on_start))


def base_language(recipe: Recipe, model: str) -> Language:
    """Load tokenizer and chat template of `base_model`'s result.

    Raises:
        UserError: see `load_language`; or base.template is not a file. Where the model's own
            template cannot be used, the message has the recipe line for one that can.
    """
    own = recipe.base.template
    template = None if own is None else template_text(own)
    with loading("tokenizer", model):
        try:
            return load_language(model, template=template)
        except BadTemplate as err:
            if own is not None:
                raise
            raise UserError(f"{model}: {err}; {_remedy(recipe, model)}") from None


def _remedy(recipe: Recipe, model: str) -> str:
    named = recipe.base.model_dump(include={"model", "gguf"}, exclude_none=True)
    for name in template_names():
        try:
            load_language(model, template=template_text(name))
        except BadTemplate:
            continue
        line = ", ".join(f"{key}: {value}" for key, value in {**named, "template": name}.items())
        return f"one that can is {name}: write `base: {{{line}}}` in the recipe"
    return "name a jinja file of one that can in the recipe, as base.template"


# Trajectories whose texts go to one process of llama.cpp.
_AT_ONCE = 1000


def load_readable(recipe: Recipe, language: Language) -> Loaded:
    """Call `load_data` and drop the trajectories that tokenize differently in llama.cpp.

    Decoding a text's ids must give the text back. Where the recipe names both base.model and
    base.gguf, llama.cpp must also read the same ids from the GGUF's vocabulary.

    Raises:
        UserError: see `load_data` and `base_gguf`; or nothing is left.
    """
    loaded = load_data(recipe)
    gguf = base_gguf(recipe) if recipe.base.model else None
    kept: list[Trajectory] = []
    for start in range(0, len(loaded.trajectories), _AT_ONCE):
        some = loaded.trajectories[start : start + _AT_ONCE]
        for trajectory, lost in zip(some, _misreadings(some, language, gguf), strict=True):
            if lost is None:
                kept.append(trajectory)
            else:
                loaded.dropped.append(Dropped(trajectory.id, lost))
    if not kept:
        raise UserError(f"recipe {recipe.name}: all is left out: {loaded.dropped[-1].reason}")
    return replace(loaded, trajectories=kept)


def _misreadings(
    trajectories: Sequence[Trajectory], language: Language, gguf: Path | None
) -> Iterator[str | None]:
    """Yield what is wrong with each trajectory's texts, or None."""
    texts = [_texts(trajectory, language) for trajectory in trajectories]
    wrong: dict[str, str] = {}
    ids: dict[str, list[int]] = {}
    for text in dict.fromkeys(text for those in texts for text in those):
        ids[text] = language.tokenizer.encode(text, special=False)
        back = language.tokenizer.decode(ids[text])
        if back != text:
            pairs = zip_longest(text, back, fillvalue="")
            lost, made = next((a, b) for a, b in pairs if a != b)
            wrong[text] = f"the base's tokenizer reads {lost!r} as {made!r}"
    if gguf is not None:
        for text, others in zip(ids, read_texts(gguf, list(ids)), strict=True):
            if others != ids[text]:
                wrong.setdefault(text, f"{gguf.name} reads other tokens than the base's tokenizer")
    for those in texts:
        yield next((wrong[text] for text in those if text in wrong), None)


def _texts(trajectory: Trajectory, language: Language) -> list[str]:
    """Return all that users, tools and roles say in it, and the tools' docs."""
    pieces = language.template.pieces(view_messages(trajectory, "backbone"))
    return [piece.text for piece in pieces if not piece.special]
