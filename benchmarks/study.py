"""Keep what a table's report reads from its finished runs: `python -m benchmarks.study RUNS`.

Writes a folder per run into `benchmarks/study`. `umi reproduce study --report --out
benchmarks/study` writes the report of them. If they are copied to `runs/study`, `umi reproduce
study` does the other runs only.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from umi_lite.files import read_json
from umi_lite.reproduce.results import DONE, SCORES

KEPT = Path(__file__).parent / "study"
_AS_THEY_ARE = ("recipe.yaml", "versions.json", DONE, "bundle/bundle.json", "*/metrics.jsonl")
_OF_A_TASK = ("id", "ok", "tokens")


def keep(run: Path, kept: Path) -> None:
    """Copy a finished run's small files to `kept`, of each task only what the report reads."""
    for pattern in _AS_THEY_ARE:
        for path in run.glob(pattern):
            target = kept / path.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    scores = read_json(run / SCORES)
    splits = {split: _few(score["results"]) for split, score in scores["splits"].items()}
    text = json.dumps({"seconds": scores["seconds"], "splits": splits})
    (kept / SCORES).write_text(text.replace("}, {", "},\n{") + "\n", encoding="utf-8")


def _few(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"results": [{key: result[key] for key in _OF_A_TASK} for result in results]}


def main() -> None:
    """Keep each finished run of a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of a table's runs")
    parser.add_argument("--kept", type=Path, default=KEPT, help="default benchmarks/study")
    given = parser.parse_args()
    for mark in sorted(given.runs.glob(f"*/{DONE}")):
        keep(mark.parent, given.kept / mark.parent.name)
        print(f"kept {mark.parent.name}")


if __name__ == "__main__":
    main()
