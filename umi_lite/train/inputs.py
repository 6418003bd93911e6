"""What a recipe's run reads: its data, its base model, and how that base reads text."""

from collections.abc import Callable, Mapping
from pathlib import Path

from umi_lite.base import cache_folder, embedded_gguf, hf_folder
from umi_lite.data import SOURCES, TASKS, Loader, load_source
from umi_lite.data.loaded import Loaded
from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Data, Recipe
from umi_lite.train.tokenizer import Language, load_language


def load_data(recipe: Recipe) -> Loaded:
    """The trajectories of all the recipe's sources, in order, and what was dropped.

    Raises:
        UserError: an option that a source does not have, a file that is missing, or nothing
            left to train on.
    """
    return _load(recipe.data, SOURCES, recipe.name)


def load_eval(recipe: Recipe) -> list[tuple[Data, Loaded]]:
    """The recipe's held-out sets, each with what was loaded of it."""
    return [(data, _load((data,), TASKS, recipe.name)) for data in recipe.eval.data]


def _load(sources: tuple[Data, ...], loaders: Mapping[str, Loader], name: str) -> Loaded:
    loaded = Loaded([])
    for data in sources:
        try:
            part = load_source(data.source, data.options(), loaders)
        except UserError as err:
            raise UserError(f"recipe {name}: {err}") from None
        loaded.trajectories += part.trajectories
        loaded.dropped += part.dropped
    if not loaded.trajectories:
        raise UserError(f"recipe {name}: its data holds no trajectory")
    return loaded


def base_gguf(recipe: Recipe) -> Path | None:
    """The base GGUF that the recipe names, None where it names none.

    Raises:
        UserError: the file is missing, or the embedded model is not installed.
    """
    name = recipe.base.gguf
    if name is None:
        return None
    path = embedded_gguf() if name == "embedded" else Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"base.gguf: no such file: {path}")
    return path


def base_model(recipe: Recipe, on_start: Callable[[Path], None] | None = None) -> str:
    """The folder or hub id to train on; a base that is only a GGUF is dequantised first.

    Args:
        on_start: called with the folder's path before a GGUF is dequantised (some seconds).
    """
    if recipe.base.model:
        return recipe.base.model
    gguf = base_gguf(recipe)
    assert gguf is not None  # Base fills it in where model is None
    return str(hf_folder(gguf, cache_folder(), on_start=on_start))


def base_language(recipe: Recipe, model: str) -> Language:
    """Tokenizer and chat template of `base_model`'s result.

    Raises:
        UserError: see `load_language`; or base.template is no file.
    """
    template = recipe.base.template
    if template is None:
        return load_language(model)
    path = Path(template).expanduser()
    if not path.is_file():
        raise UserError(f"base.template: no such file: {path}")
    return load_language(model, template=path.read_text(encoding="utf-8"))
