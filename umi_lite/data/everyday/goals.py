"""Goals of everyday requests, read from YAML: how people ask for them, and the calls they take."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter

from umi_lite.data.toolworld.goals import Goal, UnsupportedRequest

Split = Literal["train", "dev"]
Bounds = tuple[float, float] | tuple[float, float, float]


class EverydayGoal(Goal):
    """A goal of toolworld's kind, asked for in whole instructions.

    Attributes:
        dev_asks: the instructions of split `dev`; `asks` are those of `train`.
        numbers: numbers to draw by name: the lowest, the highest and the step, default 1.
        whole: True if the result must be a whole number.
    """

    dev_asks: tuple[str, ...]
    numbers: dict[str, Bounds] = Field(default_factory=dict)
    whole: bool = False

    def asked(self, split: Split) -> tuple[str, ...]:
        """Return the instructions of a split."""
        return self.asks if split == "train" else self.dev_asks


@dataclass(frozen=True)
class Goals:
    """All that a split's tasks ask for.

    Attributes:
        by_kind: goals by the kind of their task (`tasks.PER_100`).
        unsupported: what no tool can do, other things in each split.
    """

    by_kind: dict[str, tuple[EverydayGoal, ...]]
    unsupported: tuple[UnsupportedRequest, ...]


_GOALS = TypeAdapter(dict[str, tuple[EverydayGoal, ...]])
_UNSUPPORTED = TypeAdapter(tuple[UnsupportedRequest, ...])
_FILES = (
    "goals_one_operation.yaml", "goals_operations.yaml", "goals_tools.yaml", "goals_programs.yaml",
    "goals_chains.yaml",
)  # fmt: skip


@cache
def goals_of(split: Split) -> Goals:
    """Return a split's goals; only what is unsupported differs between splits."""
    folder = files("umi_lite.data.everyday")
    tree: dict[str, list[dict[str, object]]] = {}
    for name in _FILES:
        tree |= yaml.safe_load(folder.joinpath(name).read_text(encoding="utf-8"))
    unsupported = {"train": tree.pop("unsupported"), "dev": tree.pop("unsupported_dev")}
    return Goals(_GOALS.validate_python(tree), _UNSUPPORTED.validate_python(unsupported[split]))
