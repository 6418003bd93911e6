"""The quickstart: measure the base, train, export, measure again, run two episodes.

Each part leaves a file in the run folder and is done once, so a killed run resumes where it
stopped.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.card import renew_card
from umi_lite.files import read_json, write_text
from umi_lite.protocol.trajectory import ROLES, Trajectory, View
from umi_lite.recipe.schema import Recipe
from umi_lite.reproduce.runs import (
    deployed_base,
    exported,
    held_out,
    measured,
    print_scores,
    train_or_resume,
    untrained,
)

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.engine import Engine

RECIPE = "toolworld/smollm2-135m"
N_CTX = 1024


def quickstart(recipe: Recipe, out: Path, console: "Console") -> dict[str, Any]:
    """Run all parts and return the report, which is also in `report.json` of `out`.

    Args:
        recipe: what to train and, in `eval.data`, what to measure on.

    Raises:
        UserError: the folder holds a run of another recipe.
    """
    started = time.monotonic()
    done = read_json(out / "report.json")
    if done:
        console.print(f"{out} holds a finished quickstart; name another --out to train again")
        _live(_bundle(out), held_out(recipe), console)
        _print(done, console)
        return done
    console.rule("1/5  held-out tasks, untrained base")
    tasks = held_out(recipe)
    base = deployed_base(recipe, out)
    room: dict[str, Any] = {"n_ctx": N_CTX, "slots": recipe.eval.slots}
    bare = partial(untrained, base, room)
    before = measured(out / "before.json", "before", bare, tasks, console)
    console.rule("2/5  training: global, planner, caller, summarizer")
    train_or_resume(recipe, out, console)
    console.rule("3/5  export")
    bundle = exported(out, base, console)
    console.rule("4/5  held-out tasks, after training")

    def trained(*views: View) -> "Engine":
        return bundle.engine(views=views, merge_into=out / "merged", **room)

    how: dict[str, Any] = {"spec": bundle.spec, "console": console}
    after = measured(out / "after.json", "after", partial(trained, *ROLES), tasks, **how)
    alone = partial(trained, "backbone")
    single = measured(out / "single.json", "single", alone, tasks, **how)
    shutil.rmtree(out / "merged", ignore_errors=True)
    renew_card(bundle.path, out)
    console.rule("5/5  two episodes, live")
    _live(bundle, tasks, console)
    scores = {"before": before, "after": after, "global_adapter_alone": single}
    report = {
        "version": 2,
        "recipe": recipe.name,
        "seconds": round(time.monotonic() - started, 1),
        "evaluation_seconds": {name: score["seconds"] for name, score in scores.items()},
        **{name: score["splits"] for name, score in scores.items()},
        "bundle": "bundle",
    }
    write_text(out / "report.json", json.dumps(report, indent=1) + "\n")
    _print(report, console)
    return report


def _bundle(out: Path) -> "Bundle":
    from umi_lite.bundle.bundle import load_bundle

    return load_bundle(out / "bundle")


def _live(bundle: "Bundle", tasks: Mapping[str, Sequence[Trajectory]], console: "Console") -> None:
    """Run the first held-out tasks of one and of two calls, and print their episodes."""
    from umi_lite.agent.show import stream_to
    from umi_lite.evals.live import environment_of
    from umi_lite.sandbox.text import visible

    cases = next(iter(tasks.values()))
    chosen = [next((t for t in cases if t.meta.get("calls") == n), cases[0]) for n in (1, 2)]
    with bundle.engine(n_ctx=N_CTX) as engine:
        for number, task in enumerate(chosen, 1):
            agent = bundle.agent(engine, environment_of(task))
            console.print("[bold]      user[/] ", end="")
            console.out(visible(task.instruction), highlight=False)
            path = bundle.path.parent / "traces" / f"live-{number}.json"
            start = task.model_copy(update={"steps": ()})
            trace = agent.run(start, stream_to(console), path)
            why = f" ({trace.error})" if trace.error else ""
            line = f"\nstop: {trace.stop}{why} · {trace.seconds:.1f} s · wanted: {task.gold}\n"
            console.out(visible(line), style="dim", highlight=False)


def _print(report: Mapping[str, Any], console: "Console") -> None:
    systems = {
        "untrained base": report["before"],
        "three roles (GLPFT)": report["after"],
        "global adapter alone": report["global_adapter_alone"],
    }
    print_scores(systems, console)
    console.print(
        f'{report["seconds"]:.0f} s in total. Try it: [bold]umi run "What is 12 * 34?"[/bold]'
    )
