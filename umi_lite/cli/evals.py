"""`umi eval`: held-out tasks run anew, by source; answers graded."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from umi_lite.cli.live import (
    DEFAULT_BUNDLE,
    BundleOption,
    ContextOption,
    KvOption,
    LayersOption,
    RoleOption,
    ThreadsOption,
    WeightsOption,
    wishes_of,
)

if TYPE_CHECKING:
    from umi_lite.protocol.roles import View


def live(source: str, about: str, **defaults: Any) -> Callable[..., None]:
    """The command that runs a source's tasks. Typer has no option groups: so they stand once.

    Args:
        about: what the tasks are, for `--help`.
        defaults: what the source is loaded with where the command line says nothing.
    """

    def command(
        bundle: BundleOption = DEFAULT_BUNDLE,
        split: Annotated[str | None, typer.Option(help="toolworld: test (default) or ood")] = None,
        path: Annotated[
            Path | None, typer.Option(help="the source's file, where it has one")
        ] = None,
        n: Annotated[int, typer.Option("-n", "--n", help="how many tasks")] = 100,
        seed: Annotated[int | None, typer.Option(help="which tasks (toolworld); default 1")] = None,
        slots: Annotated[int, typer.Option(help="episodes at once")] = 16,
        single: Annotated[
            bool, typer.Option(help="the global adapter alone plays all roles")
        ] = False,
        role: RoleOption = None,
        weights: WeightsOption = None,
        n_ctx: ContextOption = None,
        kv: KvOption = None,
        gpu_layers: LayersOption = None,
        threads: ThreadsOption = None,
        json_: Annotated[
            bool, typer.Option("--json", help="print the whole report as JSON")
        ] = False,
    ) -> None:
        import json

        from rich.console import Console

        from umi_lite.evals.report import rate_table
        from umi_lite.export.bundle import load_bundle
        from umi_lite.local import dim, load_tasks, measure
        from umi_lite.protocol.roles import ROLES
        from umi_lite.roles import open_roles

        asked = {"split": split, "path": path, "seed": seed, "n": n}
        options = defaults | {key: value for key, value in asked.items() if value is not None}
        tasks = load_tasks(source, **options)
        title = " · ".join([source, *([options["split"]] if "split" in options else [])])
        console = Console(stderr=json_)
        views: tuple[View, ...] = ("backbone",) if single else ROLES
        wishes = wishes_of(weights, n_ctx, kv, gpu_layers, threads, slots)
        opened = open_roles(
            load_bundle(bundle), views=views, elsewhere=role or (), wishes=wishes, tell=dim(console)
        )
        with opened as engine:
            score = measure(engine, tasks, title, console, single=single)
        if json_:
            typer.echo(json.dumps(score.report()))
        else:
            console.print(rate_table(title, {"success": score.rates()}))

    command.__doc__ = f"Run {about} and count those that were solved."
    return command


def grade(
    jsonl: Annotated[Path, typer.Option(help='lines {"pred": …, "gold": …}, text or numbers')],
) -> None:
    """Grade MATH answers: one line {"equal": true or false} for each line of the file."""
    import json

    from umi_lite.evals.grade_file import grades

    for same in grades(jsonl):
        print(json.dumps({"equal": same}), flush=True)
