"""`umi run` and `umi trace show`, and the options of whatever runs a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from umi_lite.protocol.errors import UserError

if TYPE_CHECKING:
    from umi_lite.runtime.fit import Wishes

_T = TypeVar("_T")

BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", help="a bundle folder, or a run that holds one")
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", help="ROLE=WHERE: another bundle, a GGUF, or http://HOST:PORT/v1#MODEL"),
]
WeightsOption = Annotated[
    str | None, typer.Option(help="adapters or folded; default by the memory that is free")
]
ContextOption = Annotated[
    int | None, typer.Option("--n-ctx", help="tokens of one transcript; default by memory")
]
KvOption = Annotated[
    str | None, typer.Option(help="keys and values in f16 or q8_0; default by memory")
]
LayersOption = Annotated[
    int | None, typer.Option("--gpu-layers", help="layers on the GPU, -1 all; default by memory")
]
ThreadsOption = Annotated[int | None, typer.Option(help="default the machine's physical cores")]
DEFAULT_BUNDLE = Path("runs/quickstart/bundle")


def run(
    instruction: Annotated[str, typer.Argument(help="what the agent is to do")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    tools: Annotated[
        str | None,
        typer.Option(help="a tool set's name or a .py file with functions; default the bundle's"),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="where the trace goes")] = None,
    single: Annotated[bool, typer.Option(help="the global adapter alone plays all roles")] = False,
    role: RoleOption = None,
    weights: WeightsOption = None,
    n_ctx: ContextOption = None,
    kv: KvOption = None,
    gpu_layers: LayersOption = None,
    threads: ThreadsOption = None,
    json_: Annotated[bool, typer.Option("--json", help="last line: one JSON object")] = False,
) -> None:
    """Run one task; the roles' turns appear in colour as they are written."""
    from rich.console import Console

    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import ask, summary

    made, path = ask(
        load_bundle(bundle),
        instruction,
        Console(),
        tools=tools,
        trace_path=trace,
        single=single,
        elsewhere=role or (),
        wishes=wishes_of(weights, n_ctx, kv, gpu_layers, threads, 1),
    )
    typer.echo(summary(made, path) if json_ else f"stop: {made.stop} · trace: {path}")


def wishes_of(
    weights: str | None,
    n_ctx: int | None,
    kv: str | None,
    gpu_layers: int | None,
    threads: int | None,
    slots: int,
) -> "Wishes":
    """What the options of `umi run` and `umi eval` say about the fit."""
    from umi_lite.runtime.fit import FORMS, KV_TYPES, Wishes

    return Wishes(
        weights=_one_of("--weights", weights, FORMS),
        n_ctx=n_ctx,
        kv=_one_of("--kv", kv, KV_TYPES),
        n_gpu_layers=gpu_layers,
        threads=threads,
        slots=slots,
    )


def _one_of(option: str, given: str | None, choices: tuple[_T, ...]) -> _T | None:
    if given is not None and given not in choices:
        raise UserError(f"{option} {given}: there are {', '.join(map(str, choices))}")
    return next((choice for choice in choices if choice == given), None)


def show_trace(
    path: Annotated[Path, typer.Argument(help="a trace file")],
    json_: Annotated[bool, typer.Option("--json", help="the trace as it is stored")] = False,
) -> None:
    """Show an episode that ran: its turns, why it stopped, and what it cost."""
    from rich.console import Console

    from umi_lite.runtime.show import show_trace as show
    from umi_lite.runtime.trace import Trace

    trace = Trace.load(path)
    if json_:
        typer.echo(trace.model_dump_json())
    else:
        show(trace, Console())
