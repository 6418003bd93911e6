"""`umi bench …`: figures side by side; the last line is JSON."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.cli.run import DEFAULT_BUNDLE, BundleOption


def episode(
    bundle: BundleOption = DEFAULT_BUNDLE,
    llama_server: Annotated[
        Path | None, typer.Option(help="the program (benchmarks/llama_server.sh builds it)")
    ] = None,
    episodes: Annotated[int, typer.Option(help="tasks over one desk's tools")] = 6,
    rounds: Annotated[int, typer.Option(help="times that the set-ups take turns")] = 3,
) -> None:
    """The same episodes by this engine, without each of its savings, and by others."""
    from rich.console import Console

    from umi_lite.bench.episode import bench
    from umi_lite.bundle.bundle import load_bundle

    opened = load_bundle(bundle)
    bench(opened, llama_server, Console(stderr=True), episodes=episodes, rounds=rounds)


def memory(
    bundle: BundleOption = DEFAULT_BUNDLE,
    shape: Annotated[
        str | None, typer.Option(help="1.5b, 3b or 7b: random weights; default the bundle's own")
    ] = None,
    n_ctx: Annotated[int, typer.Option(help="tokens of a context")] = 2048,
) -> None:
    """Peak memory of the three roles, of one `Llama` and of three merged models."""
    from rich.console import Console

    from umi_lite.bench.memory import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), shape=shape, n_ctx=n_ctx)


def batch(
    bundle: BundleOption = DEFAULT_BUNDLE,
    episodes: Annotated[int, typer.Option(help="held-out tasks")] = 32,
    rounds: Annotated[int, typer.Option(help="times that the set-ups take turns")] = 1,
    at_once: Annotated[
        list[int], typer.Option(min=1, help="so many episodes at once; repeatable")
    ] = [1, 2, 4, 8, 16],  # noqa: B006
) -> None:
    """Tokens a second with 1 to 16 episodes at once."""
    from rich.console import Console

    from umi_lite.bench.batch import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(
        load_bundle(bundle),
        Console(stderr=True),
        episodes=episodes,
        rounds=rounds,
        at_once=at_once,
    )


def constrain(
    bundle: BundleOption = DEFAULT_BUNDLE,
    calls: Annotated[int, typer.Option(help="calls at each number of tools")] = 20,
) -> None:
    """What a grammar costs with 1, 20 and 100 tools: llguidance against GBNF."""
    from rich.console import Console

    from umi_lite.bench.constrain import bench
    from umi_lite.bundle.bundle import load_bundle

    bench(load_bundle(bundle), Console(stderr=True), calls=calls)


def sandbox(
    calls: Annotated[int, typer.Option(help="calls one after the other, at each level")] = 200,
    soak: Annotated[
        int, typer.Option(help="then so many calls, 5% of them attacks; what they leave behind")
    ] = 0,
) -> None:
    """How long a program takes in the sandbox, beside a bare interpreter's start."""
    from rich.console import Console

    from umi_lite.bench.sandbox import bench

    bench(Console(stderr=True), calls=calls, soak=soak)
