"""Whether QLoRA of a model of a given shape fits a card of 8 GB, and its speed.

    python -m benchmarks.gpu.fit --shape 7b        (7b, llama2-7b, 3b, 1.5b, 0.5b)

Random weights of a public shape, r 16 on all linear layers, NF4, gradient checkpointing, one row
of full length per step, trained by `umi_lite.train` with each backend. Each part runs in a process
that has --cap GiB of the card: all four GLPFT jobs at 2,048 tokens, the first of them at two other
lengths. Running out of memory is recorded as a figure.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.gpu.common import Figures, Options, Part, arguments, main_of, run_parts
from benchmarks.gpu.synthetic import SHAPES, model_folder, write_rows
from benchmarks.gpu.training_run import trained
from umi_lite.recipe.schema import Recipe

BACKENDS = ("unsloth", "plain")
LENGTHS = (2048, 4096, 1024)
STEPS, STEPS_OF_FOUR = 15, 50
ROWS = max(STEPS, STEPS_OF_FOUR)
_TINY_LENGTHS = (384, 384)


def main() -> int:
    options = arguments(__doc__ or "", _own)
    shape = "tiny" if options.tiny else options.more.shape
    steps, steps_of_four = (3, 2) if options.tiny else (STEPS, STEPS_OF_FOUR)
    lengths = _TINY_LENGTHS if options.tiny else LENGTHS
    parts: dict[str, Part] = {}
    for part in planned(lengths, steps, steps_of_four):
        # Importing Unsloth takes most of a tiny part's time; the four jobs cover it.
        if not (options.tiny and part.backend == "unsloth" and part.stages["local"] == "none"):
            parts[part.name] = partial(_measure, options, shape, part)
    settings: Figures = {
        "shape": shape,
        "config": vars(SHAPES[shape]),
        "cap, GiB": options.more.cap,
        "steps": steps,
        "steps of each of four jobs": steps_of_four,
    }
    return run_parts(f"fit-{shape}", options, settings, parts)


class Planned(NamedTuple):
    """A part: the name of its figures, and what is trained."""

    name: str
    backend: str
    length: int
    stages: Figures


def planned(lengths: Sequence[int], steps: int, steps_of_four: int) -> Iterator[Planned]:
    """Yield all four jobs at the first length, then the global job at the others, per backend."""
    four = {"global": _stage(steps_of_four), "local": _stage(steps_of_four)}
    one = {"global": _stage(steps), "local": "none"}
    first, *others = lengths
    for backend in BACKENDS:
        yield Planned(f"{backend}, {first}, four jobs", backend, first, four)
    for length in others:
        for backend in BACKENDS:
            yield Planned(f"{backend}, {length}", backend, length, one)


def _own(parser: argparse.ArgumentParser) -> None:
    shapes = [name for name in SHAPES if name != "tiny"]
    parser.add_argument("--shape", choices=shapes, default="7b")
    parser.add_argument("--cap", type=float, default=8.0, help="GiB of the card to use; default: 8")
    parser.add_argument("--disk", type=float, default=40.0, help="GB for weights; default: 40")


def _stage(steps: int) -> Figures:
    # Batch 1: the peak of a step is that of one row, whatever the accumulation.
    return {"learning_rate": 1e-4, "batch": 1, "epochs": 1, "max_steps": steps}


def recipe_of(part: Planned, model: Path, rows: Path) -> Recipe:
    """Return the recipe of a part, for a model and a file of rows, which is written if missing."""
    if not rows.exists():
        write_rows(rows, model, part.length, ROWS)
    return Recipe.model_validate(
        {
            "name": f"fit-{model.name}-{part.backend}-{part.length}",
            "base": {"model": str(model)},
            "data": [{"source": "traces", "path": str(rows)}],
            "stages": part.stages,
            "quantization": "4bit",
            "gradient_checkpointing": True,
            "max_length": part.length,
            "packing": "none",
            "backend": part.backend,
        }
    )


def _measure(options: Options, shape: str, part: Planned) -> Figures:
    model = model_folder(SHAPES[shape], options.work / "bases" / shape, disk=options.more.disk)
    recipe = recipe_of(part, model, options.work / "rows" / f"{part.length}.jsonl")
    kind = "four" if part.stages["local"] != "none" else "one"
    root = options.work / "fit" / f"{shape}-{options.more.cap:g}"
    return trained(recipe, root / f"{part.backend}-{part.length}-{kind}", options, options.more.cap)


if __name__ == "__main__":
    main_of(main)
