"""`python -m benchmarks …`: figures side by side; the last line is JSON."""

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
    episodes: Annotated[int, typer.Option(help="tasks over one toolset")] = 6,
    rounds: Annotated[int, typer.Option(help="times that the set-ups take turns")] = 3,
) -> None:
    """The same episodes by this engine, without each of its savings, and by others."""
    from rich.console import Console

    from benchmarks.episode import bench
    from umi_lite.bundle.bundle import load_bundle

    opened = load_bundle(bundle)
    bench(opened, llama_server, Console(stderr=True), episodes=episodes, rounds=rounds)


@app.command()
def memory(
    bundle: BundleOption = DEFAULT_BUNDLE,
    shape: Annotated[
        str | None, typer.Option(help="1.5b, 3b or 7b: random weights; default the bundle's own")
    ] = None,
    n_ctx: Annotated[int, typer.Option(help="tokens of a context")] = 2048,
) -> None:
    """Peak memory of the three roles, of one `Llama` and of three merged models."""
    from rich.console import Console

    from benchmarks.memory import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), shape=shape, n_ctx=n_ctx)


@app.command()
def batch(
    bundle: BundleOption = DEFAULT_BUNDLE,
    episodes: Annotated[int, typer.Option(help="held-out tasks")] = 32,
    rounds: Annotated[int, typer.Option(help="times that the set-ups take turns")] = 1,
    at_once: Annotated[
        list[int] | None,
        typer.Option(min=1, help="concurrent episodes (repeatable); default 1, 2, 4, 8, 16"),
    ] = None,
) -> None:
    """Tokens a second with 1 to 16 episodes at once."""
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
    calls: Annotated[int, typer.Option(help="calls at each number of tools")] = 20,
) -> None:
    """What a grammar costs with 1, 20 and 100 tools: llguidance against GBNF."""
    from rich.console import Console

    from benchmarks.constrain import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), calls=calls)


@app.command()
def sandbox(
    calls: Annotated[int, typer.Option(help="calls one after the other, at each level")] = 200,
    soak: Annotated[int, typer.Option(help="calls of a soak test, 5% of them attacks")] = 0,
) -> None:
    """How long a program takes in the sandbox, next to a bare interpreter's start."""
    from rich.console import Console

    from benchmarks.sandbox import bench

    bench(Console(stderr=True), calls=calls, soak=soak)


if __name__ == "__main__":
    app()
