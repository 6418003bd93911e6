"""Does QLoRA of a model of this shape fit a card of 8 GB, and how fast is it?

    python benchmarks/gpu/fit.py --shape 7b        (7b, llama2-7b, 3b, 1.5b, 0.5b)

Random weights in a public shape, r 16 on all linear layers, NF4, gradient checkpointing, a row
of full length a step, through `umi_lite.train` itself with each backend, each part in a process
that has --cap GiB of the card: all four GLPFT jobs at 2,048 tokens, the first of them at two other
lengths. Where memory runs out, that is the figure.
"""

import argparse
from functools import partial
from pathlib import Path

from common import Figures, Part, Told, arguments, main_of, run_parts
from synthetic import SHAPES, model_folder, write_rows
from training_run import trained

from umi_lite.recipe import Recipe

BACKENDS = ("unsloth", "plain")
LENGTHS = (2048, 4096, 1024)
STEPS, STEPS_OF_FOUR = 15, 50
ROWS = max(STEPS, STEPS_OF_FOUR)
_TINY_LENGTHS = (384,)


def main() -> int:
    told = arguments(__doc__ or "", _own)
    shape = "tiny" if told.tiny else told.more.shape
    lengths = _TINY_LENGTHS if told.tiny else LENGTHS
    steps, steps_of_four = (3, 2) if told.tiny else (STEPS, STEPS_OF_FOUR)
    parts: dict[str, Part] = {}
    for backend in BACKENDS:
        name = part_name(backend, lengths[0], four=True)
        parts[name] = partial(_measure, told, shape, backend, lengths[0], four_jobs(steps_of_four))
    # Unsloth's import is most of a tiny part's time, and the four jobs show it.
    for length in lengths[1:] if not told.tiny else lengths:
        for backend in BACKENDS[1:] if told.tiny else BACKENDS:
            name = part_name(backend, length, four=False)
            parts[name] = partial(_measure, told, shape, backend, length, one_job(steps))
    settings: Figures = {
        "shape": shape,
        "config": vars(SHAPES[shape]),
        "cap, GiB": told.more.cap,
        "steps": steps,
        "steps of each of four jobs": steps_of_four,
    }
    return run_parts(f"fit-{shape}", told, settings, parts)


def part_name(backend: str, length: int, *, four: bool) -> str:
    """What a part's figures are found under."""
    return f"{backend}, {length}" + ", four jobs" * four


def _own(parser: argparse.ArgumentParser) -> None:
    shapes = [name for name in SHAPES if name != "tiny"]
    parser.add_argument("--shape", choices=shapes, default="7b")
    parser.add_argument("--cap", type=float, default=8.0, help="GiB of the card; default 8")
    parser.add_argument("--disk", type=float, default=40.0, help="GB for weights; default 40")


def one_job(steps: int) -> Figures:
    """The stages of the global job alone."""
    return {"global": _stage(steps), "local": "none"}


def four_jobs(steps: int) -> Figures:
    """The stages of all four jobs, of so many steps each."""
    return {"global": _stage(steps), "local": _stage(steps)}


def _stage(steps: int) -> Figures:
    # Batch 1: a step's peak is that of one row, whatever is accumulated.
    return {"learning_rate": 1e-4, "batch": 1, "epochs": 1, "max_steps": steps}


def recipe_of(model: Path, rows: Path, backend: str, length: int, stages: Figures) -> Recipe:
    """The recipe of a part, on a model's folder and rows of that length."""
    return Recipe.model_validate(
        {
            "name": f"fit-{model.name}-{backend}-{length}",
            "base": {"model": str(model)},
            "data": [{"source": "traces", "path": str(rows)}],
            "stages": stages,
            "quantization": "4bit",
            "gradient_checkpointing": True,
            "max_length": length,
            "packing": "none",
            "backend": backend,
        }
    )


def _measure(told: Told, shape: str, backend: str, length: int, stages: Figures) -> Figures:
    model = model_folder(SHAPES[shape], told.work / "bases" / shape, disk=told.more.disk)
    rows = told.work / "rows" / f"{length}.jsonl"
    if not rows.exists():
        write_rows(rows, model, length, ROWS)
    recipe = recipe_of(model, rows, backend, length, stages)
    kind = "four" if stages["local"] != "none" else "one"
    root = told.work / "fit" / f"{shape}-{told.more.cap:g}" / f"{backend}-{length}-{kind}"
    return trained(recipe, root, told, told.more.cap)


if __name__ == "__main__":
    main_of(main)
