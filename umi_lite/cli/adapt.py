"""`umi adapt`: from your own tools to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.options import DEFAULT_BUNDLE, RecipeOverrides

FROM_A_BUNDLE = "default/adapt-smollm2-135m"
FROM_THE_BASE = "toolworld/smollm2-135m"


def adapt(
    tools: Annotated[
        Path | None, typer.Option(help="Python file whose public functions are the tools")
    ] = None,
    openapi: Annotated[
        Path | None, typer.Option(help="OpenAPI document, JSON or YAML: a tool per operation")
    ] = None,
    mcp: Annotated[
        str | None,
        typer.Option(metavar="SERVER", help="MCP server for its tools: a command, URL or mcp.json"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="run folder; default runs/adapt-NAME")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="recipe name or file for base, adapters and stages; default "
            f"{FROM_A_BUNDLE} from a bundle, else {FROM_THE_BASE}"
        ),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="base GGUF to train on; default the recipe's")
    ] = None,
    override: RecipeOverrides = [],  # noqa: B006
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            "-b",
            help="bundle whose global adapter training starts from; default the one in the box, "
            "or a new adapter with --recipe or --base",
        ),
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0.001, help="training steps, as a factor of the recipe's")
    ] = 2.0,
    n: Annotated[int, typer.Option("-n", min=1, help="training tasks to generate")] = 900,
    held_out: Annotated[int, typer.Option(min=1, help="held-out tasks to measure on")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="seed of the tasks")] = 0,
    run: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="function of --tools that may really be called for its results (repeatable); "
            "all others are simulated",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="URL#MODEL",
            help="OpenAI-compatible endpoint that words the training instructions, as "
            "http://HOST:PORT/v1#MODEL",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="maximum seconds without a byte from the teacher")
    ] = 30.0,
    dry_run: Annotated[bool, typer.Option(help="generate and show the tasks, then stop")] = False,
    json_: Annotated[bool, typer.Option("--json", help="report as JSON on the last line")] = False,
) -> None:
    """Train an agent for your own tools, without data.

    Generates verified tasks from the tools' schemas, shows twenty of them, measures, trains,
    exports, and measures again on held-out tasks. The tools are simulated, never called. Run
    again, it resumes where it stopped.
    """
    import json

    from rich.console import Console

    from umi_lite.data.own_tools import read_own
    from umi_lite.engine.client import Endpoint
    from umi_lite.recipe.schema import load_recipe
    from umi_lite.reproduce.adapt import adapt as adapt_to
    from umi_lite.reproduce.adapt import adapted, with_room
    from umi_lite.reproduce.own_tasks import Sizes, own_tasks, show
    from umi_lite.reproduce.teacher import Teacher

    overrides = [*override, *([f"base.gguf={json.dumps(str(base))}"] if base else [])]
    if bundle is None and recipe is None and base is None:
        bundle = DEFAULT_BUNDLE
    usual = FROM_THE_BASE if bundle is None else FROM_A_BUNDLE
    settings = load_recipe(recipe or usual, overrides)
    before = None
    if bundle is not None:
        from umi_lite.bundle.bundle import load_bundle

        before = load_bundle(bundle)
    console = Console(highlight=False)
    own = read_own(tools=tools, openapi=openapi, mcp=mcp, run=run or ())
    settings = with_room(settings, own)
    name = f"adapt-{own.name}"
    folder = out.expanduser() if out else Path("runs") / name
    console.rule("1/5  tasks")
    sizes = Sizes(n, held_out, seed, settings.max_length)
    worded = teacher and Teacher(
        Endpoint.parse(teacher), folder / "teacher.jsonl", console, own.functions, timeout
    )
    tasks = own_tasks(own, sizes, folder, worded or None)
    show(tasks, console)
    if dry_run:
        return
    made = adapted(settings, name, tasks.folder, budget, before)
    report = adapt_to(own, tasks, made, folder, console, bundle=before)
    if json_:
        typer.echo(json.dumps(report, ensure_ascii=False))
