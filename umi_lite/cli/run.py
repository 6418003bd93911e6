"""`umi run` and `umi bench`."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.options import (
    DEFAULT_BUNDLE,
    BundleOption,
    JsonResult,
    Limits,
    McpOptions,
    Roles,
    SamplingOptions,
    ToolsOption,
    TraceFile,
    home,
    with_groups,
)
from umi_lite.cli.output import print_json
from umi_lite.sandbox.text import visible


def hash_ahead_of(bundle: Path) -> None:
    """Start to hash a bundle's files, while the imports of a command take half a second."""
    from umi_lite.files import hash_ahead

    folder = bundle if (bundle / "bundle.json").exists() else bundle / "bundle"
    hash_ahead(folder.glob("*.gguf"))


@with_groups
def run(
    instruction: Annotated[str, typer.Argument(help="task for the agent; - reads it from stdin")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: ToolsOption = None,
    trace: TraceFile = None,
    save: Annotated[
        bool, typer.Option(help="keep the episode in the trace store (umi trace ls)")
    ] = True,
    json_: JsonResult = False,
    *,
    mcp: McpOptions,
    limits: Limits,
    sampling_options: SamplingOptions,
    roles: Roles,
) -> None:
    """Run one task, with the roles' turns streamed in colour.

    Exit code 1: the episode ended without an answer; the last line says why.
    """
    hash_ahead_of(bundle)
    from rich.console import Console

    from umi_lite.ask import ask
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.serve.store import TraceStore

    opened = load_bundle(bundle)
    made = ask(
        opened,
        instruction,
        Console(stderr=json_),
        tools=home(tools),
        mcp=mcp.servers(),
        trace_path=trace,
        store=TraceStore() if save else None,
        views=roles.views,
        bounds=limits.bounds(opened.spec.bounds),
        sampling=sampling_options.sampling(opened.spec.sampling),
        elsewhere=roles.elsewhere,
        overrides=roles.overrides(slots=1),
        timeout=roles.timeout,
    )
    if json_:
        print_json(made.json())
    else:
        print(visible(made.line()))
    raise typer.Exit(1 if made.trace.answer is None else 0)


@with_groups
def bench(
    bundle: BundleOption = DEFAULT_BUNDLE,
    episodes: Annotated[
        int, typer.Option("-n", min=1, help="number of held-out toolworld tasks")
    ] = 6,
    *,
    roles: Roles,
) -> None:
    """Measure a bundle's speed and memory on this machine.

    The last line is JSON: seconds per episode, tokens/s, memory.
    """
    from rich.console import Console

    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.data import toolworld
    from umi_lite.evals.speed import measure_speed

    tasks = toolworld.load("test", episodes, seed=1).trajectories
    with roles.open(load_bundle(bundle), 1, Console(stderr=True)) as engine:
        speed = measure_speed(engine, tasks)
    typer.echo(
        f"first episode {speed.first_seconds:.2f} s, later ones {speed.later_seconds or 0:.2f} s "
        f"(median), {speed.generated_tokens_per_second:.0f} tokens/s written, "
        f"{speed.peak_memory_mb:.0f} MB"
    )
    typer.echo(speed.model_dump_json())
