"""Do both backends do on a card what they do on a CPU? The quickstart, end to end, with each.

    python -m benchmarks.gpu.correctness

Two kinds of parts: the same rows through both backends, in full precision and in 4-bit (how far
are their losses apart?), and the whole quickstart with each (measure, train, export, measure).
"""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.common import (
    Figures,
    Part,
    Told,
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
    told = arguments(__doc__ or "")
    parts: dict[str, Part] = {}
    for quantization in ("4bit",) if told.tiny else ("none", "4bit"):
        for backend in BACKENDS:
            name = f"same rows, {quantization}, {backend}"
            parts[name] = partial(_same_rows, told, quantization, backend)
        parts[f"same rows, {quantization}, apart"] = partial(_apart, told, quantization)
    for backend in BACKENDS:
        parts[f"quickstart, {backend}"] = partial(_quickstart, told, backend)
    return run_parts("correctness", told, {"recipe": RECIPE, "steps": _steps(told)}, parts)


def _steps(told: Told) -> int:
    return 2 if told.tiny else _STEPS


def _tree(told: Told, *overrides: str) -> Any:
    """The quickstart's recipe; `--tiny`: on a tiny model, two steps a job, a task a split."""
    tiny: list[str] = []
    if told.tiny:
        base = told.work / "gguf" / "quickstart.gguf"
        if not base.exists():
            write_model(_TINY, base)
        tiny = [f"base.gguf={base}", "lora.last_layers=2", "stages.global.max_steps=2"]
        roles = ("planner", "caller", "summarizer")
        tiny += [f"stages.local.{role}.max_steps=1" for role in roles]
        tiny += ["eval.data.0.n=1", "eval.data.1.n=1"]
        # Of so few steps none may be spent on warming up.
        tiny += ["stages.global.warmup_ratio=0", "stages.global.learning_rate=2e-2"]
    return load_recipe(RECIPE, [*tiny, *overrides])


def _root(told: Told, quantization: str, backend: str) -> Path:
    return told.work / "correctness" / f"{quantization}-{backend}"


def _same_rows(told: Told, quantization: str, backend: str) -> Figures:
    recipe = _tree(
        told,
        f"backend={backend}",
        f"quantization={quantization}",
        "packing=none",
        "stages.local=none",
        "stages.global.batch=4",
        f"stages.global.max_steps={_steps(told)}",
    )
    figures = trained(recipe, _root(told, quantization, backend), told)
    # Their speed is fit.py's: so these parts may run beside one another.
    return {name: value for name, value in figures.items() if name.endswith("loss")}


def _apart(told: Told, quantization: str) -> Figures:
    """How far the losses of the two are apart, as a share of the plain one's.

    Raises:
        UserError: one of them has not run.
    """
    one, other = (losses(_root(told, quantization, backend), "global") for backend in BACKENDS)
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


def _quickstart(told: Told, backend: str) -> Figures:
    out = told.work / "correctness" / f"quickstart-{backend}"
    recipe = out.with_suffix(".yaml")
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(_tree(told, f"backend={backend}").to_yaml(), encoding="utf-8")
    log = out.with_suffix(".txt")
    status = child(umi("quickstart", "--out", str(out), "--recipe", str(recipe)), told, log)
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
