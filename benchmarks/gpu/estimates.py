"""The estimate of training's memory next to what `fit.py` measured on a card.

    python -m benchmarks.gpu.estimates [results/fit-7b.json ...]      (needs no card)

For each part: the estimated tensors and what torch allocated; the whole estimate and what the
process had on the card. If memory ran out, the estimate should be above the cap.
"""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.gpu.common import HERE, Figures, main_of
from benchmarks.gpu.fit import LENGTHS, planned, recipe_of
from benchmarks.gpu.synthetic import SHAPES, describe
from umi_lite.train.backends import Name
from umi_lite.train.budget.memory import GIB, Estimate, Setting
from umi_lite.train.budget.peak import peak
from umi_lite.train.budget.shape import shape_of
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import make_all


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: results/fit-*.json here")
    files = parser.parse_args().files or sorted((HERE / "results").glob("fit-*.json"))
    print("| part | tensors: estimated / allocated, GiB | all: estimated / on the card, GiB |")
    print("|---|---|---|")
    rows: dict[str, Figures] = {}
    for file in files:
        record = json.loads(file.read_text(encoding="utf-8"))
        for part, estimate in estimates(record).items():
            name = f"{record['settings']['shape']}, {part}"
            rows[name] = compared(estimate, record["figures"][part])
            print(f"| {name} | {_cells(rows[name])} |", flush=True)
    print(json.dumps(rows))
    return 0


_CARD = 80 * GIB  # an H100's, free


def estimates(record: Figures) -> dict[str, Estimate]:
    """Return the estimates of the parts that have figures in a record of `fit.py`."""
    settings = record["settings"]
    steps, steps_of_four = settings["steps"], settings["steps of each of four jobs"]
    found: dict[str, Estimate] = {}
    with tempfile.TemporaryDirectory(prefix="umi-estimates-") as name:
        model = Path(name) / settings["shape"]
        model.mkdir()
        describe(SHAPES[settings["shape"]], model)
        for part in planned(LENGTHS, steps, steps_of_four):
            if part.name not in record["figures"]:
                continue
            recipe = recipe_of(part, model, Path(name) / f"{part.length}.jsonl")
            backend: Name = "plain" if part.backend == "plain" else "unsloth"
            setting = Setting("cuda", backend, "bf16", "adamw_8bit")
            ready = make_all(recipe, str(model), setting, Silent(), _CARD)
            found[part.name] = peak(shape_of(recipe), recipe, setting, ready, _CARD)
    return found


def compared(estimate: Estimate, measured: Figures) -> Figures:
    """Return estimated and measured GiB, of tensors and in total; None if memory ran out."""
    ran_out = "out of memory" in measured
    return {
        "tensors": (estimate.tensors / GIB, None if ran_out else measured["allocated, GiB"]),
        "all": (estimate.total / GIB, None if ran_out else measured["device, GiB"]),
    }


def _cells(row: Figures) -> str:
    return " | ".join(
        f"{estimated:.2f} / ran out"
        if measured is None
        else f"{estimated:.2f} / {measured:.2f} = {estimated / measured:.2f}"
        for estimated, measured in row.values()
    )


if __name__ == "__main__":
    main_of(main)
