"""Parts of a run: held-out tasks, base, training, export, scores; each is done once."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.console import working
from umi_lite.errors import UserError
from umi_lite.evals.live import environment_of
from umi_lite.evals.measure import measure, predict_static
from umi_lite.evals.static_files import load_gold, write_predictions
from umi_lite.files import read_json, write_text
from umi_lite.protocol.trajectory import ROLES, Trajectory, View
from umi_lite.recipe.schema import Recipe
from umi_lite.tools.tools import Toolbox
from umi_lite.train.run_dir import RunDir

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.bundle import Bundle
    from umi_lite.bundle.spec import BundleSpec
    from umi_lite.engine.engine import Engine

Tasks = Mapping[str, Sequence[Trajectory]]


def held_out(recipe: Recipe) -> dict[str, Sequence[Trajectory]]:
    """Return the tasks of `eval.data` by split.

    Raises:
        UserError: the recipe names none.
    """
    from umi_lite.train.inputs import load_eval

    if not recipe.eval.data:
        raise UserError(f"recipe {recipe.name} names no eval.data: nothing could be measured")
    return {data.split or data.source: loaded.trajectories for data, loaded in load_eval(recipe)}


def deployed_base(recipe: Recipe, folder: Path) -> Path:
    """Return the base as it will be deployed, in `folder` if the recipe requantizes it.

    Raises:
        UserError: the recipe names no base GGUF.
    """
    from umi_lite.recipe.schema import base_gguf
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
    spec: "BundleSpec | None" = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> dict[str, Any]:
    """Return `seconds` in total and each split's score (`Score.report`), kept in file `path`.

    All splits run as one batch: fewer batches have fewer empty slots at their end.

    Args:
        engine: opened only if the file does not exist yet.
        spec: of the bundle that the engine runs, if it runs one: its bounds and sampling apply.
        environment: makes a task's tools, just before it starts.
    """
    if kept := read_json(path):
        return kept
    cases = [case for split in tasks.values() for case in split]
    with engine() as opened:
        score = measure(opened, cases, title, console, spec=spec, environment=environment)
    scores: dict[str, Any] = {"seconds": round(score.seconds, 1), "splits": {}}
    if spec is not None:
        sources = {split: part[0].source for split, part in tasks.items() if part}
        scores["measured"] = {"weights": spec.weights, "sources": sources}
    results = iter(score.results)
    for split in tasks:
        part = tuple(islice(results, len(tasks[split])))
        report = score.model_copy(update={"results": part}).report()
        del report["seconds"]  # of all splits together
        scores["splits"][split] = report
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(scores, indent=1) + "\n")
    return scores


def measured_bundle(
    path: Path, title: str, bundle: "Bundle", views: Sequence[View], room: Mapping[str, Any],
    tasks: Tasks, console: "Console",
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> dict[str, Any]:  # fmt: skip
    """Return what `measured` does of a bundle, run from merged weights, which are faster.

    Args:
        views: the roles, or the backbone alone.
        room: n_ctx and slots of the engine.
    """
    merged = path.with_name("merged")

    def opened() -> "Engine":
        return bundle.engine(views=views, merge_into=merged, **room)

    scores = measured(
        path, title, opened, tasks, console, spec=bundle.spec, environment=environment
    )
    shutil.rmtree(merged, ignore_errors=True)
    return scores


def untrained(base: Path, options: Mapping[str, Any]) -> "Engine":
    """Return an engine whose roles are the base alone; `options` are passed to Engine."""
    from umi_lite.engine.engine import Engine

    return Engine(base, dict.fromkeys(ROLES), **options)


def train_or_resume(recipe: Recipe, out: Path, console: "Console") -> None:
    """Train a run in this process, from where it stopped if it was begun before.

    Raises:
        UserError: the folder holds a run of another recipe, or its training cannot continue.
    """
    from umi_lite.train.progress import RichReporter
    from umi_lite.train.trainer import train

    with RichReporter(console) as reporter:
        train(recipe, out, resume=RunDir(out).has_begun(), reporter=reporter)


def exported(out: Path, base: Path, console: "Console") -> "Bundle":
    """Return the bundle of a finished run, exported if it is not there yet."""
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.bundle.export import export_run

    if not (out / "bundle").exists():
        with working("converting the adapters to GGUF", console):
            export_run(out, base=base)
    return load_bundle(out / "bundle")


def print_scores(systems: Mapping[str, Mapping[str, Any]], console: "Console") -> None:
    """Print a table per split, a column per system.

    Args:
        systems: label to `splits` of what `measured` returns.
    """
    from umi_lite.evals.stats import Rate, rate_table

    for split in next(iter(systems.values())):
        columns: dict[str, dict[str, Rate]] = {}
        for label, scores in systems.items():
            score = scores.get(split)
            if score is None:
                continue
            named = {name: score[name] for name in ("success", "multi_call", "decisions")}
            named |= {f"{calls} calls": rate for calls, rate in score["by_calls"].items()}
            columns[label] = {name: Rate(**rate) for name, rate in named.items()}
        console.print(rate_table(f"held-out tasks: {split}", columns))


def predicted(path: Path, gold: str, engine: "Callable[[], Engine]", console: "Console") -> None:
    """Let a run predict every gold step, once; a step that does not fit counts as wrong."""
    if path.is_file():
        return
    with engine() as opened:
        forced = predict_static(opened, load_gold(gold), console)
    if forced.missing:
        console.print(f"{len(forced.missing)} steps without a prediction count as wrong")
    write_predictions(path, forced.predictions)
