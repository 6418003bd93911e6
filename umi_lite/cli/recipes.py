"""`umi recipes ls` and `umi recipes show`."""

from typing import Annotated

import typer

from umi_lite.cli.train import Overrides


def ls() -> None:
    """The recipes that come with umi_lite."""
    from umi_lite.recipe_names import recipe_names

    for name in recipe_names():
        typer.echo(name)


def show(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or file")],
    override: Overrides = [],  # noqa: B006
    resolved: Annotated[bool, typer.Option(help="with all the defaults")] = False,
) -> None:
    """A recipe as it is written, or resolved."""
    from umi_lite.recipe import load_recipe
    from umi_lite.recipe_names import recipe_files

    if resolved or override:
        typer.echo(load_recipe(recipe, override).to_yaml(), nl=False)
    else:
        for path in recipe_files(recipe):
            typer.echo(path.read_text(encoding="utf-8"), nl=False)
