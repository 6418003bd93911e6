"""Tasks with hundreds of tools: which the planner is shown, what is read, what is solved.

`python -m benchmarks.many_tools [BUNDLE] [N]`: tasks of wild's split `test`, each among all of the
split's tools. Without a bundle only recall@k is measured, on 300 tasks. Set-ups: the task's own
tools (what an oracle would choose), the best tools in the system message, the best tools read with
the instruction (what `umi run` does, `agent.offers`), and none but those that the planner searches
for. The last line is JSON.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from benchmarks.report import ratio, show
from benchmarks.retrieval import recall
from umi_lite.agent import offers
from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.data.wild import everything, load
from umi_lite.engine.engine import Engine
from umi_lite.engine.placement import Overrides
from umi_lite.engine.request import RoleEngine
from umi_lite.evals.live import Result, evaluate
from umi_lite.protocol.roles import SEARCH_TOOL
from umi_lite.protocol.trajectory import ROLES, Call, Tool, Trajectory
from umi_lite.tools.search import ToolIndex

SPLIT, SEED, N_CTX, SLOTS = "test", 4711, 2048, 8
Row = dict[str, float | int | None]


def called(task: Trajectory) -> set[str]:
    """Return the names of the tools that a trajectory calls, without the search."""
    names = {step.tool for step in task.steps if isinstance(step, Call)}
    return names - {SEARCH_TOOL.name}


def measured(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    tools_of: Callable[[Trajectory], tuple[Tool, ...]],
) -> Row:
    """Return what came of the tasks, each with the tools that `tools_of` gives its trajectory."""
    gold = {task.id: called(task) for task in tasks}
    shown: list[float] = []
    count: list[int] = []
    searched: list[bool] = []
    tokens: list[int] = []

    def ended(result: Result, trace: Trace) -> None:
        offered = {tool.name for tool in trace.trajectory.offered}
        if gold[result.id]:
            shown.append(len(gold[result.id] & offered) / len(gold[result.id]))
        count.append(len(offered - {SEARCH_TOOL.name}))
        steps = trace.trajectory.steps
        searched.append(any(isinstance(s, Call) and s.tool == SEARCH_TOOL.name for s in steps))
        tokens.append(sum(turn.evaluated for turn in trace.turns))

    given = [task.model_copy(update={"tools": tools_of(task)}) for task in tasks]
    if isinstance(engine, Engine):
        engine.forget()
    score = evaluate(
        engine, given, environment=lambda task: everything(SPLIT, task), on_result=ended
    )
    return {
        "solved": score.success.hits,
        "of": score.success.n,
        "several calls": score.multi_call.hits,
        "of them": score.multi_call.n,
        "recall": round(fmean(shown), 3),
        "tools": round(fmean(count), 1),
        "searched": sum(searched),
        "prompt tokens": round(fmean(tokens)),
        "seconds": round(score.seconds / score.success.n, 2),
    }


def main() -> None:
    given = sys.argv[2:] or ["60" if sys.argv[1:] else "300"]
    count = int(given[0])
    every = everything(SPLIT).specs
    index = ToolIndex(every)
    tasks = load(SPLIT, count, SEED).trajectories
    queries = [(task.instruction, called(task)) for task in tasks if called(task)]
    show(f"recall@k among {len(every)} tools", {"whole docs": recall(index, queries)}, {}, 1)
    if len(sys.argv) < 2:
        return
    bundle = load_bundle(sys.argv[1])
    views = ROLES if set(ROLES) <= bundle.spec.views.keys() else ("backbone",)
    overrides = Overrides(weights="adapters", n_ctx=N_CTX, slots=SLOTS)
    with open_roles(bundle, views=views, overrides=overrides) as engine:
        rows = {
            "its own tools": measured(engine, tasks, lambda task: task.tools),
            "the best in the system message": measured(
                engine, tasks, lambda task: index.best(task.instruction, offers.AT_ONCE)
            ),
            "the best with the instruction": measured(engine, tasks, lambda _: every),
        }
        with patch.object(offers, "AT_ONCE", 0):
            rows["those searched for alone"] = measured(engine, tasks, lambda _: every)
        threads = engine.threads if isinstance(engine, Engine) else 1
    own = rows["its own tools"]
    ratios = {
        f"{name}/{base}, {column}": ratio(row[column], rows[base][column])
        for name, row in rows.items()
        for base, column in (
            ("its own tools", "solved"),
            ("the best in the system message", "prompt tokens"),
        )
        if row is not own
    }
    show(f"{count} tasks among {len(every)} tools, {Path(sys.argv[1]).name}", rows, ratios, threads)


if __name__ == "__main__":
    main()
