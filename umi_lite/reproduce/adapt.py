"""From your own tools to a bundle: generate tasks, measure, train, export, measure again.

Each part leaves a file in the run folder and is done once, so a killed run resumes where it
stopped. The folder is an ordinary run: `umi train --resume --out` continues its training.
"""

import json
import math
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.card import renew_card
from umi_lite.data.own_tools import OwnTools
from umi_lite.data.synth.simulate import environment
from umi_lite.data.synth.stored import NAME
from umi_lite.errors import UserError
from umi_lite.files import read_json, write_text
from umi_lite.protocol.trajectory import ROLES, View
from umi_lite.recipe.load import check
from umi_lite.recipe.schema import Recipe
from umi_lite.reproduce.own_tasks import HELD_OUT, TRAIN, OwnTasks, lengths
from umi_lite.reproduce.parts import (
    Tasks,
    deployed_base,
    exported,
    held_out,
    measured,
    measured_bundle,
    print_scores,
    train_or_resume,
    untrained,
)

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.bundle import Bundle

REPORT = "report.json"


def adapted(
    recipe: Recipe, name: str, folder: Path, budget: float, bundle: "Bundle | None" = None
) -> Recipe:
    """Return a recipe with its data replaced by generated tasks.

    Args:
        recipe: gives base, adapters, stages and lengths.
        folder: of the tasks.
        budget: factor of all `max_steps`.
        bundle: its global adapter is what training starts from; adapters are then as its own.

    Raises:
        UserError: the name cannot be a run's, or the recipe has no global stage to start.
    """
    tree = _tree(recipe)
    folder = folder.resolve()
    tree |= {"name": name, "data": [{"source": NAME, "path": str(folder / TRAIN)}]}
    tree["eval"]["data"] = [{"source": NAME, "path": str(folder / HELD_OUT)}]
    tree["eval"].pop("static", None)
    _scale(tree["stages"], budget)
    if bundle is not None:
        if tree["stages"]["global"] == "none":
            raise UserError(
                f"recipe {recipe.name} has no global stage, which starts from a bundle's adapter: "
                "name another recipe, or no bundle"
            )
        if bundle.spec.recipe is None:
            raise UserError(f"{bundle.path} does not say how its adapters were trained (recipe)")
        tree["stages"]["global"]["start"] = str(bundle.path.resolve())
        tree["lora"] = bundle.spec.recipe["lora"]
    return check(Recipe, tree, f"adapt {name}")


def with_room(recipe: Recipe, own: OwnTools) -> Recipe:
    """Return a recipe with rows in which the docs of all tools fit, where one row can hold them."""
    row, together = lengths(own)
    tree = _tree(recipe)
    tree["max_length"] = max(recipe.max_length, row)
    tree["packed_length"] = max(recipe.packed_length, together)
    return check(Recipe, tree, f"recipe {recipe.name}")


def _tree(recipe: Recipe) -> dict[str, Any]:
    tree = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    # A stage that is left out must not become the default one.
    for stage in ("global", "local"):
        tree["stages"].setdefault(stage, "none")
    return tree


def _scale(tree: dict[str, Any], budget: float) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _scale(value, budget)
        elif key == "max_steps":
            tree[key] = max(1, math.ceil(value * budget))


def adapt(
    own: OwnTools,
    tasks: OwnTasks,
    recipe: Recipe,
    out: Path,
    console: "Console",
    *,
    bundle: "Bundle | None" = None,
) -> dict[str, Any]:
    """Train and measure on generated tasks; return the report, also in `report.json` of `out`.

    Args:
        recipe: of `adapted`.
        bundle: what training starts from, measured before it in place of the untrained base.

    Raises:
        UserError: the folder holds a run of another recipe, or its training cannot continue.
    """
    started = time.monotonic()
    compared = str(bundle.path) if bundle else "untrained base"
    report = read_json(out / REPORT)
    if report.get("compared") == compared:
        console.print(f"{out} holds a finished run; name another --out to train again")
        _print(report, console)
        return report
    console.rule("2/5  held-out tasks, before")
    cases = held_out(recipe)
    base = deployed_base(recipe, out)
    room: dict[str, Any] = {"n_ctx": recipe.max_length, "slots": recipe.eval.slots}
    real = own.functions
    how: dict[str, Any] = {"environment": lambda task: environment(task, real)}
    if bundle is None:
        bare = partial(untrained, base, room)
        before = measured(out / "before.json", "before", bare, cases, console, **how)
    else:
        before = _of_bundle(bundle, out, room, "before", cases, console, **how)
    console.rule("3/5  training")
    train_or_resume(recipe, out, console)
    console.rule("4/5  export")
    made = exported(out, base, console)
    console.rule("5/5  held-out tasks, after")
    after = _of_bundle(made, out, room, "after", cases, console, **how)
    renew_card(made.path, out)
    report = {
        "version": 1,
        "tools": own.origin,
        "train": len(tasks.train),
        "held_out": len(tasks.held_out),
        "seconds": round(time.monotonic() - started, 1),
        "compared": compared,
        "before": before["splits"],
        "after": after["splits"],
        "bundle": str(made.path),
    }
    write_text(out / REPORT, json.dumps(report, indent=1) + "\n")
    _print(report, console)
    return report


def _of_bundle(
    bundle: "Bundle", out: Path, room: Mapping[str, Any], title: str,
    cases: Tasks, console: "Console", **how: Any,
) -> dict[str, Any]:  # fmt: skip
    """Measure a bundle, once per bundle."""
    name = sha256(bundle.spec.model_dump_json().encode()).hexdigest()[:12]
    views: Sequence[View] = ROLES if "planner" in bundle.spec.views else ("backbone",)
    path = out / f"{title}-{name}.json"
    return measured_bundle(path, title, bundle, views, room, cases, console, **how)


def _print(report: Mapping[str, Any], console: "Console") -> None:
    print_scores({report["compared"]: report["before"], "after": report["after"]}, console)
    kind, _, place = report["tools"].partition(" ")
    tools = f" {kind} {shlex.quote(place)}" if kind in ("--tools", "--mcp") else ""
    console.out(
        f"{report['seconds']:.0f} s in this call. Try it: "
        f'umi run "…" --bundle {shlex.quote(report["bundle"])}{tools}',
        highlight=False,
    )
