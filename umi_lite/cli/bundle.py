"""`umi export`."""

from pathlib import Path
from typing import Annotated

import typer

from umi_lite.base import GgufType


def export(
    run: Annotated[Path, typer.Argument(help="a finished run folder")],
    out: Annotated[Path | None, typer.Option(help="the bundle; default RUN/bundle")] = None,
    base: Annotated[
        Path | None, typer.Option(help="the base GGUF, where the recipe names none")
    ] = None,
    quantize: Annotated[
        GgufType | None,
        typer.Option(help="make the base (or merged models) again"),
    ] = None,
    merge: Annotated[
        bool, typer.Option(help="also write a standalone GGUF a role, for Ollama or LM Studio")
    ] = False,
) -> None:
    """Turn a run's adapters into a bundle: one base GGUF and three LoRA GGUFs."""
    from umi_lite.export.run import export_run

    def note(text: str) -> None:
        typer.echo(f"note: {text}", err=True)

    out, base = (path and path.expanduser() for path in (out, base))
    bundle = export_run(run.expanduser(), out, quantize=quantize, merge=merge, base=base, note=note)
    typer.echo(f'{bundle.path}: every adapter changes the model\'s output; next: umi run "…"')
