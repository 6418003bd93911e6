"""The estimated and the measured peak memory of training, side by side.

    python -m benchmarks.training_memory              (the embedded model, 5 minutes on two cores)
    python -m benchmarks.training_memory --only fp32 --only 4bit
    python -m benchmarks.training_memory --unsloth    (also Unsloth, where it is installed)

Each setting trains two steps of one job, or of three local ones, in its own process, which records
its peak (RSS on a CPU, `torch.cuda.max_memory_allocated` on a GPU). The last line is JSON.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import ratio, show
from umi_lite.engine.machine import cores
from umi_lite.protocol.trajectory import ROLES
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.forecast import forecast
from umi_lite.train.budget.memory import micro_batches
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir, read_metrics
from umi_lite.train.trainer import train_in_child

STEPS = 2
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ACTIVATED = {
    "global": "none",
    "local": {"adapters": "activated", "batch": 1} | {role: {"max_steps": STEPS} for role in ROLES},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "packs of 384": {"packed_length": 384},
    "packs of 1536": {"packed_length": 1536},
    "checkpointing": {"gradient_checkpointing": True},
    "checkpointing, packs of 1536": {"gradient_checkpointing": True, "packed_length": 1536},
    "r 64": {"lora": {"r": 64}},
    "r 8, q and v": {"lora": {"r": 8, "targets": ["q_proj", "v_proj"]}},
    "last 20 layers": {"lora": {"last_layers": 20, "targets": LINEAR}},
    "rows, not packed": {"packing": "none"},
    "activated": {"stages": ACTIVATED},
    "activated, last 20 layers": {
        "stages": ACTIVATED,
        "lora": {"last_layers": 20, "targets": LINEAR},
    },
    "activated, checkpointing": {"stages": ACTIVATED, "gradient_checkpointing": True},
    "activated, packs of 1536": {"stages": ACTIVATED, "packed_length": 1536},
    "4bit": {"quantization": "4bit"},
    "4bit, checkpointing": {"quantization": "4bit", "gradient_checkpointing": True},
}
UNSLOTH: dict[str, dict[str, Any]] = {
    "unsloth": {"backend": "unsloth"},
    "unsloth, 4bit, checkpointing": {
        "backend": "unsloth",
        "quantization": "4bit",
        "gradient_checkpointing": True,
    },
}


def recipe_of(changes: dict[str, Any]) -> Recipe:
    """Return a recipe on the embedded model: two steps a job of toolworld."""
    tree = {
        "name": "memory",
        "data": [{"source": "toolworld", "split": "train", "n": 200}],
        "stages": {"global": {"batch": 1, "max_steps": STEPS}, "local": "none"},
        "packed_length": 768,
        "backend": "plain",
    }
    return Recipe.model_validate({**tree, **changes})


def measure(recipe: Recipe) -> int:
    """Return the peak memory, in bytes, of the run in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder) / "run")
        run.create(recipe)
        train_in_child(run.root)
        jobs = [job.name for job in plan(recipe)]
        return max(int(r["peak_memory"]) for job in jobs for r in read_metrics(run.metrics(job)))


def compare(recipe: Recipe) -> dict[str, float | int | None]:
    """Return the size of the largest micro-batch, and both peaks in MiB."""
    expected = forecast(recipe)
    setting = expected.setting
    # The peak on a GPU excludes the CUDA context and fragmentation.
    estimated = expected.peak.total if setting.device == "cpu" else expected.peak.tensors
    measured = measure(recipe)
    batches = [batch for ready in expected.ready for batch in micro_batches(ready, recipe, setting)]
    largest = max(batches, key=lambda batch: batch.tokens)
    return {
        "tokens": largest.tokens,
        "logits": largest.logits,
        "estimated, MiB": estimated >> 20,
        "measured, MiB": measured >> 20,
        "ratio": ratio(estimated, measured),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", help="a setting's name; repeatable")
    parser.add_argument("--unsloth", action="store_true", help="also the settings of Unsloth")
    given = parser.parse_args()
    settings = SETTINGS | (UNSLOTH if given.unsloth else {})
    for name in given.only or ():
        if name not in settings:
            parser.error(f"no setting {name!r}; there are {json.dumps(list(settings))}")
    chosen = {k: v for k, v in settings.items() if not given.only or k in given.only}
    table = {name: compare(recipe_of(changes)) for name, changes in chosen.items()}
    off = [abs((row["ratio"] or 0) - 1) for row in table.values()]
    show("peak memory of training", table, {"furthest off": round(max(off), 3)}, cores())


if __name__ == "__main__":
    main()
