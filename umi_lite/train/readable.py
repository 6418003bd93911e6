"""Drops trajectories that training and llama.cpp would tokenize differently."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from umi_lite.data.rows import Dropped, Loaded
from umi_lite.engine.language import read_texts
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import view_messages
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.inputs import base_gguf, load_data
from umi_lite.train.tokenizer import Language

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
        for trajectory, lost in zip(some, _losses(some, language, gguf), strict=True):
            if lost is None:
                kept.append(trajectory)
            else:
                loaded.dropped.append(Dropped(trajectory.id, lost))
    if not kept:
        raise UserError(f"recipe {recipe.name}: all is left out: {loaded.dropped[-1].reason}")
    return replace(loaded, trajectories=kept)


def _losses(
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
