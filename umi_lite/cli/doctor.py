"""`umi doctor`."""

from typing import Annotated

import typer


def doctor(
    recipe: Annotated[
        str | None, typer.Argument(help="a recipe's name or file: would it fit here?")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="last line: one JSON list")] = False,
) -> None:
    """Tell what works here: GPU, training, llama.cpp, sandbox, memory. Exit code 1: a ✗."""
    import json
    from itertools import chain

    from umi_lite.doctor.line import Line
    from umi_lite.doctor.recipe import recipe_lines
    from umi_lite.doctor.running import running_lines
    from umi_lite.doctor.training import nvidia_card, training_lines

    card = nvidia_card()
    lines: list[Line] = []
    of_recipe = recipe_lines(recipe) if recipe is not None else ()
    for line in chain(training_lines(card), running_lines(card), of_recipe):
        lines.append(line)
        if not json_:
            typer.echo(str(line))  # at once: Unsloth's first import takes most of a minute
    if json_:
        typer.echo(json.dumps([line.model_dump() for line in lines], ensure_ascii=False))
    raise typer.Exit(int(any(line.mark == "✗" for line in lines)))
