"""`umi export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[Path, typer.Argument(help="a finished run folder")],
    out: Annotated[Path | None, typer.Option(help="the bundle; default RUN/bundle")] = None,
    base: Annotated[
        Path | None, typer.Option(help="the base GGUF, where the recipe names none")
    ] = None,
    quantize: Annotated[
        Literal["Q8_0", "Q4_K_M", "F16"] | None,
        typer.Option(help="make the base (or merged models) again: Q8_0 or Q4_K_M"),
    ] = None,
    merge: Annotated[
        bool, typer.Option(help="also write a standalone GGUF a role, for Ollama or LM Studio")
    ] = False,
) -> None:
    """Turn a run's adapters into a bundle: one base GGUF and three LoRA GGUFs."""
    from umi_lite.export.run import export_run

    bundle = export_run(run, out, quantize=quantize, merge=merge, base=base)
    typer.echo(f'{bundle.path}: every adapter changes the model\'s output; next: umi run "…"')
