"""Runs trained with Unsloth, several in one process of their own, which takes 15 s to begin."""

import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def train_in_unsloth(*roots: Path) -> list[dict[str, Any]]:
    """Train what is not done in these run folders.

    Each may hold an `open.json`: `ids` of a row, and `adapters` to open afterwards.

    Returns:
        For each run: `loads` of the base, `notes` to the reporter, `losses` of the adapters.
    """
    subprocess.run([sys.executable, __file__, *map(str, roots)], check=True)
    return [json.loads((root / "result.json").read_text()) for root in roots]


def loss_of(model: Any, ids: list[int]) -> float:
    """The mean loss of all of a row's tokens but the first."""
    import torch

    row = torch.tensor([ids])
    with torch.no_grad():
        logits = model(input_ids=row, use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(logits[0, :-1], row[0, 1:]).item()


def main(roots: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="umi-unsloth-") as folder:
        os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", folder)
        _run(roots)


def _run(roots: list[Path]) -> None:
    from umi_lite.train.backends import make, prepare_process, resolve

    prepare_process("unsloth")
    from kept import Notes
    from unsloth import FastLanguageModel

    from umi_lite.train.run_dir import RunDir
    from umi_lite.train.trainer import run_jobs

    gc.freeze()  # the trainer's collections look at what is made from here on
    fast: Any = FastLanguageModel
    loads, load = [], fast.from_pretrained
    fast.from_pretrained = staticmethod(lambda **options: loads.append(1) or load(**options))
    for root in roots:
        loads.clear()
        notes, run = Notes(), RunDir(root)
        recipe = run.resume(None)
        run_jobs(recipe, run, "unsloth", notes)
        result: dict[str, Any] = {"loads": len(loads), "notes": notes.said, "losses": []}
        if (root / "open.json").is_file():
            asked = json.loads((root / "open.json").read_text())
            backend = make(recipe, str(recipe.base.model), resolve(recipe, "unsloth"))
            for adapter in asked["adapters"]:
                model, _ = backend.open(Path(adapter), 0)
                result["losses"].append(loss_of(model, asked["ids"]))
        (root / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main([Path(root) for root in sys.argv[1:]])
