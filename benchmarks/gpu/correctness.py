"""Both training backends compared on a card: losses on the same rows, and the whole quickstart.

    python -m benchmarks.gpu.correctness

Two kinds of parts: the same rows trained by both backends, in full precision and in 4-bit (the
difference of their losses), and the whole quickstart with each (measure, train, export, measure).
"""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.common import (
    Figures,
    Options,
    Part,
    arguments,
    child,
    last_line,
    main_of,
    run_parts,
    umi,
)
from benchmarks.gpu.training_run import losses, trained
from benchmarks.shapes import Shape, write_model
from umi_lite.errors import UserError
from umi_lite.files import read_json
from umi_lite.recipe.schema import load_recipe
from umi_lite.reproduce.quickstart import RECIPE

BACKENDS = ("plain", "unsloth")
_STEPS = 60
_TINY = Shape(width=64, layers=2, heads=2, kv_heads=1, inner=128)


def main() -> int:
    options = arguments(__doc__ or "")
    parts: dict[str, Part] = {}
    for quantization in ("4bit",) if options.tiny else ("none", "4bit"):
        for backend in BACKENDS:
            name = f"same rows, {quantization}, {backend}"
            parts[name] = partial(_same_rows, options, quantization, backend)
        parts[f"same rows, {quantization}, apart"] = partial(_apart, options, quantization)
    for backend in BACKENDS:
        parts[f"quickstart, {backend}"] = partial(_quickstart, options, backend)
    return run_parts("correctness", options, {"recipe": RECIPE, "steps": _steps(options)}, parts)


def _steps(options: Options) -> int:
    return 2 if options.tiny else _STEPS


def _tree(options: Options, *overrides: str) -> Any:
    """Return the quickstart's recipe; with `--tiny`, on a tiny model with few steps and tasks."""
    tiny: list[str] = []
    if options.tiny:
        base = options.work / "gguf" / "quickstart.gguf"
        if not base.exists():
            write_model(_TINY, base)
        tiny = [f"base.gguf={base}", "lora.last_layers=2", "stages.global.max_steps=2"]
        roles = ("planner", "caller", "summarizer")
        tiny += [f"stages.local.{role}.max_steps=1" for role in roles]
        tiny += ["eval.data.0.n=1", "eval.data.1.n=1"]
        # With so few steps there are no warm-up steps.
        tiny += ["stages.global.warmup_ratio=0", "stages.global.learning_rate=2e-2"]
    return load_recipe(RECIPE, [*tiny, *overrides])


def _root(options: Options, quantization: str, backend: str) -> Path:
    return options.work / "correctness" / f"{quantization}-{backend}"


def _same_rows(options: Options, quantization: str, backend: str) -> Figures:
    recipe = _tree(
        options,
        f"backend={backend}",
        f"quantization={quantization}",
        "packing=none",
        "stages.local=none",
        "stages.global.batch=4",
        f"stages.global.max_steps={_steps(options)}",
    )
    figures = trained(recipe, _root(options, quantization, backend), options)
    # Speed is measured by fit.py, so these parts may run concurrently.
    return {name: value for name, value in figures.items() if name.endswith("loss")}


def _apart(options: Options, quantization: str) -> Figures:
    """Return the differences of the two losses, relative to those of the plain backend.

    Raises:
        UserError: one of them has not run.
    """
    one, other = (losses(_root(options, quantization, backend), "global") for backend in BACKENDS)
    if not one or len(one) != len(other):
        raise UserError(f"{len(one)} steps of plain, {len(other)} of unsloth: run both first")
    apart = [abs(a - b) / a for a, b in zip(one, other, strict=True)]
    tail = max(1, len(one) // 4)
    ends = [sum(values[-tail:]) / tail for values in (one, other)]
    return {
        "first step, %": round(100 * apart[0], 3),
        "mean of steps, %": round(100 * sum(apart) / len(apart), 3),
        "worst step, %": round(100 * max(apart), 3),
        "mean of the last quarter, %": round(100 * abs(ends[0] - ends[1]) / ends[0], 3),
    }


def _quickstart(options: Options, backend: str) -> Figures:
    out = options.work / "correctness" / f"quickstart-{backend}"
    recipe = out.with_suffix(".yaml")
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(_tree(options, f"backend={backend}").to_yaml(), encoding="utf-8")
    log = out.with_suffix(".txt")
    status = child(umi("quickstart", "--out", str(out), "--recipe", str(recipe)), options, log)
    if status:
        raise UserError(f"status {status}: {last_line(log)}")
    report = read_json(out / "report.json")
    figures: Figures = {"seconds": report["seconds"]}
    for system in ("before", "after", "global_adapter_alone"):
        for split, score in report[system].items():
            rate = score["success"]
            figures[f"{system}, {split}"] = f"{rate['hits']} of {rate['n']}"
    return figures


if __name__ == "__main__":
    main_of(main)
