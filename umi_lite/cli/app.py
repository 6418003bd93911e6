"""Every verb with its function. Modules stay light: heavy imports happen inside functions."""

from typing import Annotated

import typer

from umi_lite.cli import adapt, bfcl, chat, data, evals, mcp, run, sandbox, serve, trace, train
from umi_lite.cli.options import with_home

app = typer.Typer(
    name="umi",
    help="Train one small LLM as planner, caller and summarizer, and run it as an agent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Drawing the help with rich doubles the time that `umi --help` takes.
    rich_markup_mode=None,
)
VERBS = {
    "quickstart": train.quickstart,
    "adapt": adapt.adapt,
    "train": train.train,
    "export": train.export,
    "run": run.run,
    "chat": chat.chat,
    "serve": serve.serve,
    "mcp": mcp.mcp,
    "reproduce": train.reproduce,
    "bench": run.bench,
    "doctor": train.doctor,
}
GROUPS = {
    "eval": (
        "Evaluate a bundle, or predictions and finished episodes.",
        {
            "toolworld": evals.live(
                "toolworld", "success on held-out toolworld tasks", split="test", seed=1
            ),
            "wild": evals.live(
                "wild", "success with tools that no training data has", split="test", seed=1
            ),
            "gsm8k": evals.live("gsm8k", "success on GSM8K, with the Python tool"),
            "bfcl": bfcl.bfcl,
            "simulated": evals.simulated,
            "judge": evals.judge,
            "static": evals.static,
            "math": evals.live("math", "success on MATH, with the Python tool"),
            "grade": evals.grade,
        },
    ),
    "data": (
        "Inspect training data, or make it.",
        {
            "ls": data.ls,
            "preview": data.preview,
            "render": data.render,
            "leaks": data.leaks,
            "bootstrap": data.bootstrap,
        },
    ),
    "recipes": ("List and show recipes.", {"ls": train.ls, "show": train.show}),
    "sandbox": (
        "Run a program in the sandbox, or attack the sandbox.",
        {"run": sandbox.run, "test": sandbox.test},
    ),
    "trace": (
        "List, show, view, export and branch episodes.",
        {
            "ls": trace.ls,
            "show": trace.show,
            "view": trace.view,
            "export": trace.export,
            "replay": trace.replay,
        },
    ),
}


def version_lines() -> list[str]:
    """Return the versions of umi_lite and of each installed package in `constraints.txt`."""
    from importlib import metadata, resources

    from umi_lite import __version__

    lines = [f"umi_lite {__version__}"]
    pins = resources.files("umi_lite").joinpath("constraints.txt").read_text(encoding="utf-8")
    for pin in pins.splitlines():
        name, mark, tested = pin.partition("==")
        try:
            found = metadata.version(name) if mark else None
        except metadata.PackageNotFoundError:
            continue
        if found is not None:
            # The part after `+` names a build, as in torch's 2.13.0+cpu.
            other = found.partition("+")[0] != tested
            lines.append(f"{name} {found}" + (f" (tested with {tested})" if other else ""))
    return lines


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="versions of umi_lite and of the packages that it was tested with",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


for _verb, _function in VERBS.items():
    app.command(_verb)(with_home(_function))
for _group, (_help, _verbs) in GROUPS.items():
    _sub = typer.Typer(help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _verb, _function in _verbs.items():
        _sub.command(_verb)(with_home(_function))
    app.add_typer(_sub, name=_group)
