"""A table of runs: one recipe, the variants to compare, seeds, shares of the data, ranks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from umi_lite.errors import UserError
from umi_lite.recipe.library import find_named, read_recipe
from umi_lite.recipe.load import check, merged, read_yaml
from umi_lite.recipe.schema import Count, Name, Recipe, Seed

Share = Annotated[float, Field(gt=0, lt=1)]
Tree = dict[str, Any]
_LIMITS = ("max_steps", "max_samples", "max_trained_tokens")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scaling(_Model):
    """Variants that are also trained on shares of the data, with limits cut alike."""

    variants: tuple[str, ...]
    shares: Annotated[tuple[Share, ...], Field(min_length=1)]


class Capacity(_Model):
    """Variants that are also trained with adapters of other ranks.

    alpha / r stays as the recipe has it, so that the scale of an update does not change.
    """

    variants: tuple[str, ...]
    ranks: Annotated[tuple[Count, ...], Field(min_length=1)]


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
    capacity: Capacity | None = None
    paper: str | None = None


@dataclass(frozen=True)
class Planned:
    """One run.

    Attributes:
        share: its share of the data, 1 except for scaling runs.
        rank: of its adapters, None for the recipe's own.
    """

    variant: str
    seed: int
    recipe: Recipe
    share: float = 1.0
    rank: int | None = None

    @property
    def is_main(self) -> bool:
        """Return whether it is compared with the other variants: all data, the recipe's rank."""
        return self.share == 1 and self.rank is None

    @property
    def name(self) -> str:
        """Name of its folder in the table's folder."""
        part = "" if self.share == 1 else f"-{self.share:g}"
        rank = "" if self.rank is None else f"-r{self.rank}"
        return f"{self.variant}-seed{self.seed}{part}{rank}"


def load_table(path_or_name: str | Path) -> Table:
    """Return a table of `recipes/tables` by name, or of a file.

    Raises:
        UserError: no such table, or all of its errors in one line.
    """
    table = check(Table, read_yaml(find_named("tables", path_or_name)), str(path_or_name))
    for part, asked in (("scaling", table.scaling), ("capacity", table.capacity)):
        if unknown := set(asked.variants if asked else ()) - set(table.variants):
            names = ", ".join(sorted(unknown))
            raise UserError(f"{path_or_name}: {part}.variants: not in this table: {names}")
    return table


def planned_runs(table: Table) -> list[Planned]:
    """Return all runs in the order in which they are done: a seed's variants, shares, ranks.

    Raises:
        UserError: a wrong recipe, or a share of data without `n`.
    """
    common = merged(read_recipe(table.recipe), table.override)
    runs: list[Planned] = []
    for seed in table.seeds:
        whole: dict[str, Recipe] = {}
        for variant, own in table.variants.items():
            tree = merged(common, read_yaml(find_named("variants", variant)))
            tree = merged(tree, own)
            whole[variant] = check(Recipe, {**tree, "seed": seed}, f"{table.name}: {variant}")
        runs += [Planned(variant, seed, recipe) for variant, recipe in whole.items()]
        if table.scaling:
            for share in table.scaling.shares:
                for variant in table.scaling.variants:
                    where = f"{table.name}: {variant}"
                    recipe = check(Recipe, _part(whole[variant], share, where), where)
                    runs.append(Planned(variant, seed, recipe, share=share))
        if table.capacity:
            for rank in table.capacity.ranks:
                for variant in table.capacity.variants:
                    recipe = _of_rank(whole[variant], rank)
                    runs.append(Planned(variant, seed, recipe, rank=rank))
    return runs


def _of_rank(recipe: Recipe, rank: int) -> Recipe:
    """Return the recipe with adapters of another rank, and alpha in proportion."""
    lora = recipe.lora
    alpha = max(1, round(rank * lora.alpha / lora.r))
    return recipe.model_copy(update={"lora": lora.model_copy(update={"r": rank, "alpha": alpha})})


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
