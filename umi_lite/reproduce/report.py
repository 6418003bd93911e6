"""The report of a table: Markdown, and one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from umi_lite.files import read_json, write_text
from umi_lite.reproduce import plots
from umi_lite.reproduce.results import (
    DONE,
    Outcome,
    StepMean,
    capacity,
    outcome,
    rows,
    scaling,
    step_rows,
)
from umi_lite.reproduce.table import Planned, Table
from umi_lite.train.run_dir import versions

METRICS = ("Plan ACC", "Act. EM", "Hallu.", "Arg. F1", "R-L")
# The paper's Table 1 by size and split, then variant; columns as in METRICS.
TABLE_1: dict[str, dict[str, tuple[float, ...]]] = {
    "7B, in-domain": {
        "single": (81.92, 53.26, 2.32, 45.57, 42.66),
        "one-stage": (87.52, 45.11, 7.71, 38.02, 41.01),
        "multi-task": (85.06, 51.83, 2.96, 44.25, 27.40),
        "glpft-no-reuse": (88.24, 55.50, 0.53, 48.97, 39.98),
        "glpft": (88.92, 58.94, 0.57, 52.24, 43.17),
    },
    "7B, out-of-domain": {
        "single": (84.61, 56.54, 2.26, 50.09, 47.99),
        "one-stage": (88.42, 53.40, 2.52, 45.79, 46.39),
        "multi-task": (86.55, 56.89, 2.77, 49.50, 32.58),
        "glpft-no-reuse": (87.91, 58.02, 2.32, 50.55, 42.59),
        "glpft": (89.72, 60.47, 0.45, 53.60, 46.26),
    },
    "13B, in-domain": {
        "single": (81.01, 59.67, 1.53, 52.35, 42.16),
        "one-stage": (86.49, 50.54, 5.11, 41.96, 36.21),
        "multi-task": (86.36, 58.96, 2.00, 49.28, 28.41),
        "glpft-no-reuse": (86.33, 60.07, 0.39, 53.11, 35.09),
        "glpft": (87.87, 63.03, 0.37, 57.65, 43.46),
    },
    "13B, out-of-domain": {
        "single": (86.74, 60.04, 2.03, 52.94, 48.46),
        "one-stage": (87.45, 56.71, 3.23, 47.49, 41.62),
        "multi-task": (86.64, 62.78, 3.42, 53.29, 35.46),
        "glpft-no-reuse": (87.75, 61.63, 2.95, 52.54, 37.70),
        "glpft": (88.73, 64.21, 0.24, 57.38, 42.50),
    },
}


PAGES = ("report.md", "report.html")


def write_report(table: Table, runs: Sequence[Planned], out: Path) -> tuple[Path, ...]:
    """Write `report.md` and `report.html` into `out`, from what the finished runs left there."""
    import jinja2

    context = _context(table, [outcome(run, out) for run in runs], step_rows(runs, out))
    context["made"] = _made([read_json(out / run.name / DONE) for run in runs])
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
        write_text(out / name, environment.get_template(f"{name}.j2").render(context))
    return tuple(out / name for name in PAGES)


def _context(
    table: Table, outcomes: Sequence[Outcome], steps: dict[str, dict[str, StepMean]]
) -> dict[str, Any]:
    found = rows(outcomes)
    live = bool(outcomes[0].solved)
    points = scaling(outcomes) if live else {}
    ranks = capacity(outcomes) if live else {}
    drawings = {
        "Tasks solved": plots.success_plot(found) if live else None,
        "Steps as in the gold": plots.steps_plot(steps) if steps else None,
        "More data": plots.scaling_plot(points) if points else None,
        "Capacity": plots.capacity_plot(ranks) if ranks else None,
        "Training": plots.curves_plot(outcomes),
        "What it costs": plots.cost_plot(found) if live else None,
    }
    return {
        "table": table,
        "seeds": sorted({one.run.seed for one in outcomes}),
        "versions": versions(),
        "rows": found,
        "splits": list(found[0].rates),
        "costs": {row.variant: _mean_cost(row.costs) for row in found},
        "scaling": points,
        "capacity": ranks,
        "plots": {name: svg for name, svg in drawings.items() if svg},
        "live": live,
        "steps": steps,
        "paper_metrics": METRICS,
        "paper": TABLE_1[table.paper] if table.paper else {},
        "recipes": {one.run.name: one.run.recipe.to_yaml() for one in outcomes},
    }


def _made(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return when and on which machines the runs were measured, each once."""
    texts = [
        f"{r['date']}, {r['system']}, {r['cpu']}, {r['threads']} of {r['cores']} cores"
        for r in records
    ]
    return list(dict.fromkeys(texts))


def _mean_cost(costs: Sequence[Any]) -> dict[str, float]:
    keys = vars(costs[0])
    return {key: sum(vars(cost)[key] for cost in costs) / len(costs) for key in keys}
