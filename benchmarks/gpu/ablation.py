"""The paper's five variants on all of GSM8K, with the embedded model.

    python -m benchmarks.gpu.ablation --data FOLDER      (train.jsonl and test.jsonl of GSM8K)

It is `umi reproduce` on benchmarks/gpu/ablation.yaml, one part per variant. The next call resumes
training from its last checkpoint; an interrupted evaluation starts over, so --tasks sets the number
of test questions (each evaluation has to fit into the minutes).
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.gpu.common import (
    HERE,
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
from benchmarks.shapes import Shape, write_model
from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.recipe.load import merged, read_yaml
from umi_lite.reproduce.results import DONE, outcome
from umi_lite.reproduce.table import Planned, load_table, planned_runs

_TINY = Shape(width=64, layers=2, heads=2, kv_heads=1, inner=128)
# Questions of the same kind, for when GSM8K itself is not available.
_TINY_ROWS = (
    ("A box has 4 red and 3 blue pens. How many pens are in 2 boxes?", 4, 3, 2),
    ("A farm has 5 cows and 6 hens. How many animals have 3 such farms?", 5, 6, 3),
    ("A shelf has 7 old and 2 new books. How many books are on 4 shelves?", 7, 2, 4),
)


def main() -> int:
    options = arguments(__doc__ or "", _own)
    tasks = 1 if options.tiny else options.more.tasks
    table, runs = _table(options, tasks)
    out = options.work / "ablation"
    if options.tiny:
        runs = [run for run in runs if run.variant == "single"]
    parts: dict[str, Part] = {
        run.variant: partial(_measure, options, table, run, out) for run in runs
    }
    return run_parts("ablation", options, {"test questions": tasks}, parts)


def _own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="the folder of train.jsonl and test.jsonl")
    parser.add_argument("--tasks", type=int, default=400, help="test questions; default 400")


def _table(options: Options, tasks: int) -> tuple[Path, Sequence[Planned]]:
    """Write the table, with the data files in it, to the work folder."""
    data = _tiny_data(options) if options.tiny else options.more.data
    if data is None or not all((data / f"{split}.jsonl").is_file() for split in ("train", "test")):
        raise UserError(
            f"--data {data or 'FOLDER'}: train.jsonl and test.jsonl of GSM8K are expected there "
            "(github.com/openai/grade-school-math, grade_school_math/data)"
        )
    files = {split: str((data / f"{split}.jsonl").absolute()) for split in ("train", "test")}
    more: Figures = {
        "data": [{"source": "gsm8k", "path": files["train"]}],
        "eval": {"data": [{"source": "gsm8k", "path": files["test"], "n": tasks}]},
    }
    if options.tiny:
        base = options.work / "gguf" / "ablation.gguf"
        if not base.exists():
            write_model(_TINY, base)
        more |= {"base": {"gguf": str(base)}, "max_length": 512, "packing": "none"}
        # With so few steps there are no warm-up steps.
        more["stages"] = {"global": {"batch": 1, "warmup_ratio": 0, "learning_rate": 2e-2}}
    tree = read_yaml(HERE / "ablation.yaml")
    tree = merged(tree, {"override": more})
    path = options.work / "ablation.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(tree))  # JSON is YAML
    return path, planned_runs(load_table(path))


def _measure(options: Options, table: Path, run: Planned, out: Path) -> Figures:
    """Run one variant, with a table of its own in the common folder, so that jobs are shared."""
    tree = read_yaml(table)
    names = list(tree["variants"])
    before = [name for name in names[: names.index(run.variant)] if _is_done(out, name, run.seed)]
    tree["variants"] = {name: tree["variants"][name] for name in [*before, run.variant]}
    alone = out / f"{run.variant}.yaml"
    alone.parent.mkdir(parents=True, exist_ok=True)
    write_text(alone, json.dumps(tree))
    log = out / f"{run.variant}.txt"
    status = child(umi("reproduce", str(alone), "--out", str(out)), options, log)
    if status:
        raise UserError(f"status {status}: {last_line(log)}")
    found = outcome(run, out)
    cost = found.cost
    return {
        "solved": f"{sum(found.solved.values())} of {len(found.solved)}",
        "tokens trained": cost.trained,
        "tokens read": cost.read,
        "training, s": round(cost.seconds, 1),
        "peak, GiB": round(cost.peak_memory / 2**30, 2),
        "a task, s": round(cost.task_seconds, 2),
    }


def _is_done(out: Path, variant: str, seed: int) -> bool:
    return (out / f"{variant}-seed{seed}" / DONE).is_file()


def _tiny_data(options: Options) -> Path:
    folder = options.work / "gsm8k"
    rows = []
    for question, a, b, times in _TINY_ROWS:
        answer = (
            f"There are {a}+{b}=<<{a}+{b}={a + b}>>{a + b} in one.\n"
            f"So there are {a + b}*{times}=<<{a + b}*{times}={(a + b) * times}>>"
            f"{(a + b) * times} in all.\n#### {(a + b) * times}"
        )
        rows.append(json.dumps({"question": question, "answer": answer}) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "train.jsonl", "".join(rows[:-1]))
    write_text(folder / "test.jsonl", rows[-1])
    return folder


if __name__ == "__main__":
    main_of(main)
