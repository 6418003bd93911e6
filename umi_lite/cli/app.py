"""Every verb with its function. Modules stay light: heavy imports happen inside functions."""

import platform
from typing import Annotated

import typer

from umi_lite.cli import adapt, bfcl, chat, data, evals, mcp, run, sandbox, serve, trace, train
from umi_lite.cli.examples import example
from umi_lite.cli.options import with_home

app = typer.Typer(
    name="umi",
    help="Train one small LLM as planner, caller and summarizer, and run it as an agent.",
    epilog=example(""),
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


# Shown in `umi --version` whether installed or not; the other pins only where they are installed.
_MATRIX = ("python", "torch", "transformers", "trl", "peft", "llama-cpp-python", "unsloth")


def version_lines() -> list[str]:
    """Return a table of the versions in `constraints.txt` and of those that are installed."""
    from importlib import metadata, resources

    from umi_lite import __version__

    rows = [(f"umi_lite {__version__}", "tested", "installed")]
    pins = resources.files("umi_lite").joinpath("constraints.txt").read_text(encoding="utf-8")
    tested = dict(pin.lstrip("# ").split("==") for pin in pins.splitlines() if "==" in pin)
    for name in sorted(tested, key=lambda name: (name not in _MATRIX, name != "python")):
        try:
            found = platform.python_version() if name == "python" else metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _MATRIX:
                rows.append((name, tested[name], "-"))
            continue
        # The part after `+` names a build, as in torch's 2.13.0+cpu; of Python a patch may differ.
        plain = found.partition("+")[0] if name != "python" else found.rpartition(".")[0]
        rows.append((name, tested[name], found + (" (other)" if plain != tested[name] else "")))
    wide = [max(len(row[at]) for row in rows) + 2 for at in (0, 1)]
    return [f"{row[0]:{wide[0]}}{row[1]:{wide[1]}}{row[2]}".rstrip() for row in rows]


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
    app.command(_verb, epilog=example(_verb))(with_home(_function))
for _group, (_help, _verbs) in GROUPS.items():
    _sub = typer.Typer(
        help=_help, epilog=example(_group), no_args_is_help=True, rich_markup_mode=None
    )
    for _verb, _function in _verbs.items():
        _command = _sub.command(_verb, epilog=example(f"{_group} {_verb}"))
        _command(with_home(_function))
    app.add_typer(_sub, name=_group)
