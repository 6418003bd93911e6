"""`umi run`, `umi eval` and `umi trace show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from umi_lite.protocol.errors import UserError

if TYPE_CHECKING:
    from umi_lite.protocol.roles import View
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
        wishes=_wishes(weights, n_ctx, kv, gpu_layers, threads, 1),
    )
    typer.echo(summary(made, path) if json_ else f"stop: {made.stop} · trace: {path}")


def evaluate(
    source: Annotated[str, typer.Argument(help="toolworld or gsm8k")] = "toolworld",
    bundle: BundleOption = DEFAULT_BUNDLE,
    split: Annotated[str, typer.Option(help="toolworld: test or ood; gsm8k: test")] = "test",
    path: Annotated[Path | None, typer.Option(help="the source's file (gsm8k)")] = None,
    n: Annotated[int, typer.Option(help="how many tasks")] = 100,
    seed: Annotated[int, typer.Option(help="which tasks")] = 1,
    slots: Annotated[int, typer.Option(help="episodes at once")] = 16,
    single: Annotated[bool, typer.Option(help="the global adapter alone plays all roles")] = False,
    role: RoleOption = None,
    weights: WeightsOption = None,
    n_ctx: ContextOption = None,
    kv: KvOption = None,
    gpu_layers: LayersOption = None,
    threads: ThreadsOption = None,
    json_: Annotated[bool, typer.Option("--json", help="print the whole report as JSON")] = False,
) -> None:
    """Run held-out tasks and count those that were solved."""
    import json

    from rich.console import Console

    from umi_lite.evals.report import rate_table
    from umi_lite.export.bundle import load_bundle
    from umi_lite.local import dim, load_tasks, measure
    from umi_lite.protocol.roles import ROLES
    from umi_lite.roles import open_roles

    where = {"path": str(path)} if path else {"seed": seed}
    tasks = load_tasks(source, split=split, n=n, **where)
    console = Console(stderr=json_)
    views: tuple[View, ...] = ("backbone",) if single else ROLES
    wishes = _wishes(weights, n_ctx, kv, gpu_layers, threads, slots)
    opened = open_roles(
        load_bundle(bundle), views=views, elsewhere=role or (), wishes=wishes, tell=dim(console)
    )
    with opened as engine:
        score = measure(engine, tasks, f"{source} · {split}", console, single=single)
    if json_:
        typer.echo(json.dumps(score.report()))
    else:
        console.print(rate_table(f"{source} · {split}", {"success": score.rates()}))


def _wishes(
    weights: str | None,
    n_ctx: int | None,
    kv: str | None,
    gpu_layers: int | None,
    threads: int | None,
    slots: int,
) -> "Wishes":
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
