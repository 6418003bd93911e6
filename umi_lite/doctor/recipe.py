"""Would a recipe's training fit this machine?"""

from collections.abc import Iterator
from pathlib import Path

from umi_lite.doctor.line import Line


def recipe_lines(name: str) -> Iterator[Line]:
    """Estimated memory and disk of a recipe against what is free.

    Args:
        name: a recipe's name or file.

    Raises:
        UserError: no such recipe, or what is wrong with it.
    """
    from umi_lite.recipe import load_recipe
    from umi_lite.train.forecast import training_lines

    recipe = load_recipe(name)
    yield from training_lines(recipe, Path("runs") / recipe.name)
