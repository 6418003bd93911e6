"""The embedded model on both backends, in full precision and in 4 bits: the same curves.

`make test` leaves full precision to the tiny model (`test_backends.py`).
"""

import importlib.util
import json
from pathlib import Path

import pytest
from kept import losses, rates
from studies import STUDY
from unsloth_runs import loss_of, train_in_unsloth

from umi_lite.data.traces import save
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.backends import resolve
from umi_lite.train.plain import Plain
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("unsloth") is None, reason="unsloth is not installed"
)

STEPS = 6
IDS = [504, 2365, 6354, 16438, 27003, 690, 260, 23790, 2767, 30]
KINDS = ("none", "4bit") if STUDY else ("4bit",)


def short_rows(path: Path) -> Path:
    """Trajectories without tools: 50 tokens a row, where toolworld's docs alone are 240."""
    made = [
        Trajectory(
            id=str(n),
            source="sums",
            instruction=f"What is {n} plus {n + 3}?",
            steps=(
                Plan(thought="No tool is needed.", next="summarizer"),
                Answer(text=f"{2 * n + 3}."),
            ),
        )
        for n in range(11, 11 + STEPS)
    ]
    save(made, path)
    return path


def recipe_of(base: Path, data: Path, backend: str, quantization: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "both",
            "base": {"model": str(base)},
            "data": [{"source": "traces", "path": str(data)}],
            "stages": {
                "global": {"learning_rate": 2e-3, "batch": 1, "max_steps": STEPS},
                "local": "none",
            },
            "quantization": quantization,
            "packing": "none",
            "backend": backend,
        }
    )


def test_same_curves_and_adapters_that_the_other_backend_opens(
    base_hf: Path, tmp_path: Path
) -> None:
    data = short_rows(tmp_path / "rows.jsonl")
    plain = {kind: tmp_path / f"plain-{kind}" for kind in KINDS}
    for kind, root in plain.items():
        train(recipe_of(base_hf, data, "plain", kind), root, reporter=Silent())
    unsloth = {kind: tmp_path / f"unsloth-{kind}" for kind in KINDS}
    adapters = {
        kind: [RunDir(root).adapter("global") for root in (plain[kind], unsloth[kind])]
        for kind in KINDS
    }
    for kind, root in unsloth.items():
        RunDir(root).create(recipe_of(base_hf, data, "unsloth", kind))
        asked = {"ids": IDS, "adapters": [str(path) for path in adapters[kind]]}
        (root / "open.json").write_text(json.dumps(asked))
    results = dict(zip(KINDS, train_in_unsloth(*unsloth.values()), strict=True))
    for kind in KINDS:
        plain_loss, unsloth_loss = losses(plain[kind]), losses(unsloth[kind])
        assert len(plain_loss) == len(unsloth_loss) == STEPS
        assert rates(plain[kind]) == rates(unsloth[kind]) and rates(plain[kind])[0] > 0
        apart = [abs(a - b) / a for a, b in zip(plain_loss, unsloth_loss, strict=True)]
        print(
            f"{kind}: {plain_loss[0]:.3f} to {plain_loss[-1]:.3f}, at most {max(apart):.2%} apart"
        )
        assert max(apart) < 0.02
        # It learns: the curves have something to disagree about.
        assert sum(plain_loss[-2:]) < 0.8 * sum(plain_loss[:2])
        recipe = recipe_of(base_hf, data, "plain", kind)
        backend = Plain(recipe, str(base_hf), resolve(recipe))
        opened = [loss_of(backend.open(path, 0)[0], IDS) for path in adapters[kind]]
        assert results[kind]["losses"] == pytest.approx(opened, rel=1e-3)
        untrained = loss_of(backend.open(None, 0)[0], IDS)
        assert min(abs(loss - untrained) for loss in opened) > 1e-2  # the adapters say something
    firsts = [losses(run)[0] for run in plain.values()]
    assert len(set(firsts)) == len(KINDS)
