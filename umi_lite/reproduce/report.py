"""The report of a table: Markdown, and one HTML page that needs nothing beside it."""

import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from umi_lite.files import write_text
from umi_lite.reproduce import plots
from umi_lite.reproduce.paper import METRICS, TABLE_1
from umi_lite.reproduce.results import Outcome, outcome, rows, scaling
from umi_lite.reproduce.steps import StepMean, step_rows
from umi_lite.reproduce.table import Planned, Table
from umi_lite.train.run_dir import versions

PAGES = ("report.md", "report.html")


def write_report(table: Table, runs: Sequence[Planned], out: Path) -> tuple[Path, ...]:
    """Write `report.md` and `report.html` into `out`, from what the finished runs left there."""
    import jinja2

    told = _told(table, [outcome(run, out) for run in runs], step_rows(runs, out))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("umi_lite.reproduce", "pages"),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["count"] = lambda value: f"{value:,.0f}"
    environment.filters["mb"] = lambda value: f"{value / 1e6:,.0f} MB"
    environment.filters["p"] = lambda value: f"{value:.3f}" if value >= 0.001 else "< 0.001"
    for name in PAGES:
        write_text(out / name, environment.get_template(f"{name}.j2").render(told))
    return tuple(out / name for name in PAGES)


def _told(
    table: Table, outcomes: Sequence[Outcome], steps: dict[str, dict[str, StepMean]]
) -> dict[str, Any]:
    from umi_lite.bench.report import machine
    from umi_lite.runtime.machine import cores

    found = rows(outcomes)
    live = bool(outcomes[0].solved)
    points = scaling(outcomes) if live else {}
    drawings = {
        "Tasks solved": plots.success_plot(found) if live else None,
        "Steps as in the gold": plots.steps_plot(steps) if steps else None,
        "More data": plots.scaling_plot(points) if points else None,
        "Training": plots.curves_plot(outcomes),
        "What it costs": plots.cost_plot(found) if live else None,
    }
    return {
        "table": table,
        "date": date.today().isoformat(),
        "machine": machine(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "rows": found,
        "splits": list(found[0].rates),
        "costs": {row.variant: _mean_cost(row.costs) for row in found},
        "scaling": points,
        "plots": {name: svg for name, svg in drawings.items() if svg},
        "live": live,
        "steps": steps,
        "paper_metrics": METRICS,
        "paper": TABLE_1[table.paper] if table.paper else {},
        "recipes": {one.run.name: one.run.recipe.to_yaml() for one in outcomes},
    }


def _mean_cost(costs: Sequence[Any]) -> dict[str, float]:
    keys = vars(costs[0])
    return {key: sum(vars(cost)[key] for cost in costs) / len(costs) for key in keys}
