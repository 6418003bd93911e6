"""Tokens of one sample per trajectory and of one per step: `python -m benchmarks.samples FILE...`

Each FILE holds ToolBench conversations as prepared by α-UMi (source `toolbench`); calls whose
arguments do not parse are kept. All four views are counted with the tokenizer and chat template of
the embedded model. The last line is JSON.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.report import ratio, show
from benchmarks.sample_tokens import Count, count_all
from umi_lite.data import toolbench
from umi_lite.engine.machine import cores
from umi_lite.train.tokenizer import load_language
from umi_lite.weights.gguf_to_hf import embedded_gguf, hf_folder


def main() -> None:
    with TemporaryDirectory() as folder:
        language = load_language(hf_folder(embedded_gguf(), Path(folder)))
    setups: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    for name in sys.argv[1:]:
        loaded = toolbench.load(name, keep_bad_arguments=True)
        for reason, rows, where in loaded.drop_table():
            print(f"dropped {rows}: {reason} (first: {where})", file=sys.stderr)
        for view, made in count_all(loaded.trajectories, language).items():
            setups[f"{Path(name).stem}, {view}"] = in_thousands(made)
            ratios[f"{Path(name).stem}, {view}"] = ratios_of(made)
    show(
        "thousands of tokens per epoch: a sample per trajectory, per step",
        setups,
        ratios,
        cores(),
    )


def in_thousands(made: Count) -> dict[str, float]:
    """Return the counts of tokens in thousands; samples and turns are left as they are."""
    return {
        key: value if key in ("samples", "turns", "longest") else round(value / 1000, 1)
        for key, value in made.items()
        if isinstance(value, int)
    }


def ratios_of(made: Count) -> dict[str, float | None]:
    return {
        "whole/steps": ratio(made["whole"], made["steps"]),
        "both packed after their system messages": ratio(made["shared"], made["steps_shared"]),
        "whole/paper": ratio(made["whole"], made["paper"]),
        "packed/steps": ratio(made["shared"], made["steps"]),
    }


if __name__ == "__main__":
    main()
