"""`umi sandbox`: run a program in the sandbox, or attack the sandbox."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from umi_lite.cli.output import print_json
from umi_lite.sandbox.text import visible

LevelOption = Annotated[
    Literal["full", "standard"] | None,
    typer.Option(
        help="isolation level, refused where it is not available; default the strongest available"
    ),
]


def run(
    file: Annotated[Path, typer.Argument(help="Python program")],
    level: LevelOption = None,
    json_: Annotated[bool, typer.Option("--json", help="result as JSON on stdout")] = False,
    no_sandbox: Annotated[
        bool,
        typer.Option(
            "--danger-run-without-any-sandbox",
            help="no isolation: the program can do whatever you can do; for your own programs only",
        ),
    ] = False,
) -> None:
    """Run a Python program as the agent's Python tool does.

    Exit code 2: refused.
    """
    from umi_lite.sandbox.python import as_json, as_text, run_file

    result = run_file(file, "none" if no_sandbox else level)
    if json_:
        print_json(as_json(result))
    else:
        print(visible(as_text(result)))
    raise typer.Exit(2 if result.status == "refused" else 0)


def test(
    level: LevelOption = None,
    json_: Annotated[
        bool, typer.Option("--json", help="report as one JSON object on the last line")
    ] = False,
) -> None:
    """Attack the sandbox at each level of this machine.

    Never runs as root. Exit code 1: an attack got through, or its outcome is unclear.
    """
    from rich.console import Console

    from umi_lite.sandbox.attacks.report import attack_levels, summary

    seen = attack_levels(level, Console(stderr=json_))
    if json_:
        print_json(summary(seen))
    failed = any(o.failed for found in seen.values() for o in found)
    raise typer.Exit(1 if failed else 0)
