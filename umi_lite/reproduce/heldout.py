"""A recipe's held-out tasks, and what a system makes of them: measured once, kept in a file."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.engine import Engine

Tasks = Mapping[str, Sequence[Trajectory]]


def held_out(recipe: Recipe) -> dict[str, Sequence[Trajectory]]:
    """The tasks of `eval.data` by split.

    Raises:
        UserError: the recipe names none.
    """
    from umi_lite.train.inputs import load_eval

    if not recipe.eval.data:
        raise UserError(f"recipe {recipe.name} names no eval.data: nothing could be measured")
    return {data.split or data.source: loaded.trajectories for data, loaded in load_eval(recipe)}


def deployed_base(recipe: Recipe, folder: Path) -> Path:
    """The base as it will be deployed: as it is, or made again in `folder` as the recipe's type.

    Raises:
        UserError: the recipe names no base GGUF.
    """
    from umi_lite.train.inputs import base_gguf
    from umi_lite.weights.quantize import requantize

    source = base_gguf(recipe)
    if source is None:
        raise UserError(f"recipe {recipe.name} names no base.gguf, so nothing could be deployed")
    if recipe.export.quantize is None:
        return source
    target = folder / f"base.{recipe.export.quantize}.gguf"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        requantize(source, target, recipe.export.quantize)
    return target


def measured(
    path: Path,
    title: str,
    engine: "Callable[[], Engine]",
    tasks: Tasks,
    console: "Console",
    *,
    bundle: "Bundle | None" = None,
) -> dict[str, Any]:
    """`seconds` of all, and the score of each split (`Score.report`), kept in the file `path`.

    All splits run as one batch: the fewer batches run out of tasks, the fuller they are.

    Args:
        engine: opened only where the file is not there yet.
        bundle: what the engine runs, if it is one: what it sets of bounds and sampling holds.
    """
    from umi_lite.local import measure

    if kept := read_json(path):
        return kept
    cases = [case for split in tasks.values() for case in split]
    with engine() as opened:
        score = measure(opened, cases, title, console, bundle=bundle)
    scores: dict[str, Any] = {"seconds": round(score.seconds, 1), "splits": {}}
    results = iter(score.results)
    for split in tasks:
        part = tuple(islice(results, len(tasks[split])))
        report = score.model_copy(update={"results": part}).report()
        del report["seconds"]  # of all splits together
        scores["splits"][split] = report
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(scores, indent=1) + "\n")
    return scores


def read_json(path: Path) -> dict[str, Any]:
    """What a file holds, nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
