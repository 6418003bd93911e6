"""`python -m benchmarks …`: set-ups measured side by side; the last line is JSON."""

from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[Path, typer.Option("--bundle", "-b", help="a bundle folder")]
DEFAULT_BUNDLE = Path("runs/quickstart/bundle")
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=__doc__)


@app.command()
def episode(
    bundle: BundleOption = DEFAULT_BUNDLE,
    llama_server: Annotated[
        Path | None, typer.Option(help="the program (benchmarks/llama_server.sh builds it)")
    ] = None,
    activated: Annotated[
        Path | None, typer.Option(help="a bundle whose roles share one transcript, to compare")
    ] = None,
    episodes: Annotated[int, typer.Option(help="tasks that share a toolset")] = 6,
    rounds: Annotated[int, typer.Option(help="rounds over all set-ups")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="a set-up to measure (repeatable), default all")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="default one per core")] = None,
) -> None:
    """Time of episodes on this engine, its ablations, baselines."""
    from rich.console import Console

    from benchmarks.episode import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(
        load_bundle(bundle),
        llama_server,
        Console(stderr=True),
        activated=load_bundle(activated) if activated else None,
        episodes=episodes,
        rounds=rounds,
        only=only or (),
        threads=threads,
    )


@app.command()
def memory(
    bundle: BundleOption = DEFAULT_BUNDLE,
    shape: Annotated[
        str | None,
        typer.Option(help="1.5b, 3b or 7b, random weights; default: the bundle's own"),
    ] = None,
    n_ctx: Annotated[int, typer.Option(help="tokens per context")] = 2048,
    only: Annotated[
        list[str] | None, typer.Option(help="a set-up to measure (repeatable), default all")
    ] = None,
) -> None:
    """Peak memory of three roles, one `Llama`, three merged models."""
    from rich.console import Console

    from benchmarks.memory import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), shape=shape, n_ctx=n_ctx, only=only or ())


@app.command()
def batch(
    bundle: BundleOption = DEFAULT_BUNDLE,
    episodes: Annotated[int, typer.Option(help="held-out tasks")] = 32,
    rounds: Annotated[int, typer.Option(help="rounds over all set-ups")] = 1,
    at_once: Annotated[
        list[int] | None,
        typer.Option(min=1, help="concurrent episodes (repeatable); default 1, 2, 4, 8, 16"),
    ] = None,
) -> None:
    """Tokens per second with 1 to 16 concurrent episodes."""
    from rich.console import Console

    from benchmarks.batch import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(
        load_bundle(bundle),
        Console(stderr=True),
        episodes=episodes,
        rounds=rounds,
        at_once=at_once or [1, 2, 4, 8, 16],
    )


@app.command()
def constrain(
    bundle: BundleOption = DEFAULT_BUNDLE,
    calls: Annotated[int, typer.Option(help="calls per number of tools")] = 20,
) -> None:
    """Time of a grammar of 1, 20, 100 tools: llguidance and GBNF."""
    from rich.console import Console

    from benchmarks.constrain import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), calls=calls)


@app.command()
def sandbox(
    calls: Annotated[int, typer.Option(help="sequential calls at each level")] = 200,
    soak: Annotated[int, typer.Option(help="calls of a soak test, 5% of them attacks")] = 0,
) -> None:
    """Time of a program in the sandbox, and of a bare interpreter."""
    from rich.console import Console

    from benchmarks.sandbox import bench

    bench(Console(stderr=True), calls=calls, soak=soak)


@app.command()
def serve(
    bundle: BundleOption = DEFAULT_BUNDLE,
    episodes: Annotated[int, typer.Option(help="instructions, each run and served")] = 20,
    requests: Annotated[
        int, typer.Option(help="requests of the memory test; 0 measures the overhead alone")
    ] = 1000,
    slots: Annotated[int, typer.Option(help="concurrent episodes of the server")] = 4,
    threads: Annotated[int | None, typer.Option(help="default one per core")] = None,
) -> None:
    """Time of an episode through `umi serve`; 50 clients, leaving clients, memory."""
    from rich.console import Console

    from benchmarks.serve import bench
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.engine.machine import cores

    bench(
        load_bundle(bundle),
        Console(stderr=True),
        episodes=episodes,
        requests=requests,
        slots=slots,
        threads=threads or cores(),
    )


if __name__ == "__main__":
    app()
