"""The quickstart: measure base and bundle in the box, train, export, measure again, run episodes.

Each part leaves a file in the run folder and is done once, so a killed run resumes where it
stopped.
"""

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.card import renew_card
from umi_lite.files import DEFAULT_BUNDLE, read_json, write_text
from umi_lite.protocol.trajectory import ROLES, Trajectory, View
from umi_lite.recipe.schema import Recipe
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

RECIPE = "toolworld/smollm2-135m"
N_CTX = 1024
_SOME = 3  # the untrained base is measured on every third task


def quickstart(recipe: Recipe, out: Path, console: "Console") -> dict[str, Any]:
    """Run all parts and return the report, which is also in `report.json` of `out`.

    Args:
        recipe: what to train and, in `eval.data`, what to measure on.

    Raises:
        UserError: the folder holds a run of another recipe.
    """
    from umi_lite.bundle.bundle import load_bundle

    started = time.monotonic()
    boxed = load_bundle(DEFAULT_BUNDLE)
    done = read_json(out / "report.json")
    if done:
        console.print(f"{out} holds a finished quickstart; name another --out to train again")
        _episodes(boxed, load_bundle(out / "bundle"), held_out(recipe), out, console)
        _print(done, console)
        return done
    console.rule("1/5  held-out tasks: the agent in the box, the untrained base")
    tasks = held_out(recipe)
    base = deployed_base(recipe, out)
    room: dict[str, Any] = {"n_ctx": N_CTX, "slots": recipe.eval.slots}
    bare = partial(untrained, base, room)
    # It solves none, and takes longest over each.
    some = {split: cases[::_SOME] for split, cases in tasks.items()}
    box = measured_bundle(out / "boxed.json", "in the box", boxed, ROLES, room, tasks, console)
    before = measured(out / "before.json", "before", bare, some, console)
    console.rule("2/5  training: global, planner, caller, summarizer")
    train_or_resume(recipe, out, console)
    console.rule("3/5  export")
    bundle = exported(out, base, console)
    console.rule("4/5  held-out tasks, after training")
    after = measured_bundle(out / "after.json", "after", bundle, ROLES, room, tasks, console)
    alone: tuple[View, ...] = ("backbone",)
    single = measured_bundle(out / "single.json", "single", bundle, alone, room, tasks, console)
    renew_card(bundle.path, out)
    console.rule("5/5  episodes, live")
    _episodes(boxed, bundle, tasks, out, console)
    scores = {"in_the_box": box, "before": before, "after": after, "global_adapter_alone": single}
    report = {
        "version": 3,
        "recipe": recipe.name,
        "seconds": round(time.monotonic() - started, 1),
        "evaluation_seconds": {name: score["seconds"] for name, score in scores.items()},
        **{name: score["splits"] for name, score in scores.items()},
        "bundle": "bundle",
    }
    write_text(out / "report.json", json.dumps(report, indent=1) + "\n")
    _print(report, console)
    return report


def _episodes(
    boxed: "Bundle", trained: "Bundle", tasks: Tasks, out: Path, console: "Console"
) -> None:
    """Print episodes: the agent in the box on the first split, the trained one on the last."""
    first, *_, last = [*tasks.values(), *tasks.values()]
    _live(boxed, first, (1,), out / "traces" / "live-in-the-box", console)
    _live(trained, last, (1, 2), out / "traces" / "live", console)


def _live(
    bundle: "Bundle", cases: Sequence[Trajectory], calls: Sequence[int], traces: Path,
    console: "Console",
) -> None:  # fmt: skip
    """Run the first task of each number of calls, print its episode and keep its trace.

    Args:
        traces: path of the traces' files, without `-CALLS.json`.
    """
    from umi_lite.agent.show import stream_to
    from umi_lite.evals.live import environment_of
    from umi_lite.sandbox.text import visible

    with bundle.engine(n_ctx=N_CTX) as engine:
        for number in calls:
            task = next((t for t in cases if t.meta.get("calls") == number), cases[0])
            agent = bundle.agent(engine, environment_of(task))
            console.print("[bold]      user[/] ", end="")
            console.out(visible(task.instruction), highlight=False)
            path = traces.with_name(f"{traces.name}-{number}.json")
            start = task.model_copy(update={"steps": ()})
            trace = agent.run(start, stream_to(console), path)
            why = f" ({trace.error})" if trace.error else ""
            line = f"\nstop: {trace.stop}{why} · {trace.seconds:.1f} s · wanted: {task.gold}\n"
            console.out(visible(line), style="dim", highlight=False)


def _print(report: Mapping[str, Any], console: "Console") -> None:
    systems = {
        "in the box": report["in_the_box"],
        "untrained base": report["before"],
        "three roles (GLPFT)": report["after"],
        "global adapter alone": report["global_adapter_alone"],
    }
    print_scores(systems, console)
    console.print(
        f'{report["seconds"]:.0f} s in total. Try it: [bold]umi run "What is 12 * 34?"[/bold]'
    )
