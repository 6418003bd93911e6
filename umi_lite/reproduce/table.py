"""A table of runs: one recipe, the variants to compare, seeds, and shares of the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from umi_lite.errors import UserError
from umi_lite.recipe.library import find_named, read_recipe
from umi_lite.recipe.load import check, merged, read_yaml
from umi_lite.recipe.schema import Name, Recipe, Seed

Share = Annotated[float, Field(gt=0, lt=1)]
Tree = dict[str, Any]
_LIMITS = ("max_steps", "max_samples", "max_trained_tokens")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scaling(_Model):
    """Variants that are also trained on shares of the data, with limits cut alike."""

    variants: tuple[str, ...]
    shares: Annotated[tuple[Share, ...], Field(min_length=1)]


class Table(_Model):
    """A comparison.

    Attributes:
        recipe: the common recipe of all runs, by name or file.
        override: merged over the recipe for all runs.
        variants: names of `recipes/variants`, each with the settings merged over it here. The
            others are tested against the first one.
        paper: the rows of the paper's Table 1 that the report shows (`reproduce.report`).
    """

    name: Name
    recipe: str
    override: Tree = {}
    variants: Annotated[dict[str, Tree], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    scaling: Scaling | None = None
    paper: str | None = None


@dataclass(frozen=True)
class Planned:
    """One run; `share` is its share of the data, 1 except for scaling runs."""

    variant: str
    seed: int
    share: float
    recipe: Recipe

    @property
    def name(self) -> str:
        """Name of its folder in the table's folder."""
        part = "" if self.share == 1 else f"-{self.share:g}"
        return f"{self.variant}-seed{self.seed}{part}"


def load_table(path_or_name: str | Path) -> Table:
    """Return a table of `recipes/tables` by name, or of a file.

    Raises:
        UserError: no such table, or all of its errors in one line.
    """
    table = check(Table, read_yaml(find_named("tables", path_or_name)), str(path_or_name))
    unknown = set(table.scaling.variants if table.scaling else ()) - set(table.variants)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise UserError(f"{path_or_name}: scaling.variants: not in this table: {names}")
    return table


def planned_runs(table: Table) -> list[Planned]:
    """Return all runs in the order in which they are done: a seed's variants, then its shares.

    Raises:
        UserError: a wrong recipe, or a share of data without `n`.
    """
    common = merged(read_recipe(table.recipe), table.override)
    runs: list[Planned] = []
    for seed in table.seeds:
        whole = [(variant, 1.0) for variant in table.variants]
        scaling = table.scaling
        parts = [(v, s) for s in scaling.shares for v in scaling.variants] if scaling else []
        for variant, share in [*whole, *parts]:
            tree = merged(common, read_yaml(find_named("variants", variant)))
            tree = merged(tree, table.variants[variant])
            where = f"{table.name}: {variant}"
            recipe = check(Recipe, {**tree, "seed": seed}, where)
            if share != 1:
                recipe = check(Recipe, _part(recipe, share, where), where)
            runs.append(Planned(variant, seed, share, recipe))
    return runs


def _part(recipe: Recipe, share: float, where: str) -> Tree:
    """Return the recipe on a share of its data, with its limits of steps and tokens cut alike."""
    tree = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    for data in tree["data"]:
        if "n" not in data:
            raise UserError(f"{where}: scaling needs `n` in data, the number of all trajectories")
        data["n"] = max(1, round(share * data["n"]))
    return {**tree, "stages": _less(tree["stages"], share)}


def _less(stage: Tree, share: float) -> Tree:
    """Return a stage, and those within it, with a share of each limit."""
    made = dict(stage)
    for key, value in stage.items():
        if isinstance(value, dict):
            made[key] = _less(value, share)
        elif key in _LIMITS:
            made[key] = max(1, round(share * value))
    return made
