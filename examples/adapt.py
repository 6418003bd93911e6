"""From your own functions to an agent that was trained for them, without data.

    python examples/adapt.py [RUN]

The tasks are generated from the functions' types and docstrings, which are never called. On two
free cores it takes about a quarter of an hour; the extra `train` is needed. `umi adapt --tools
examples/own_tools.py` does the same, and measures before and after.
"""

import sys
from pathlib import Path

from rich.console import Console

from umi_lite import Agent, Recipe
from umi_lite.bundle.export import export_run
from umi_lite.data.own_tools import of_file
from umi_lite.reproduce.adapt import adapted
from umi_lite.reproduce.own_tasks import Sizes, own_tasks, show

TOOLS = Path(__file__).parent / "own_tools.py"
RECIPE = "toolworld/smollm2-135m"


def recipe(run: Path, tasks: int = 900, held_out: int = 100) -> Recipe:
    """Generate the tasks into the run's folder; return the recipe that trains on them."""
    settings = Recipe.load(RECIPE)
    own = of_file(TOOLS)
    sizes = Sizes(train=tasks, held_out=held_out, seed=0, max_length=settings.max_length)
    made = own_tasks(own, sizes, run)
    show(made, Console())
    return adapted(settings, "adapt-own-tools", made.folder, 2.0)


def main(run: str = "runs/adapt-own-tools") -> None:
    folder = Path(run)
    trained = recipe(folder).train(folder / "run", resume=(folder / "run").exists())
    bundle = export_run(trained.root)
    with Agent.load(bundle, tools=of_file(TOOLS, ["in_stock"]).functions.values()) as agent:
        print(agent.run("How many pieces of tea are in stock?").answer)


if __name__ == "__main__":
    main(*sys.argv[1:2])
