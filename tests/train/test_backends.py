"""Both backends on a CPU: full precision and 4-bit, and each continues the other's adapter."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import Notes, losses
from studies import study
from unsloth_runs import train_in_unsloth

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train import backends
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

GLOBAL_ONLY = {
    "global": {"learning_rate": 1e-2, "batch": 1, "max_steps": 3},
    "local": "none",
}
needs_unsloth = pytest.mark.skipif(
    importlib.util.find_spec("unsloth") is None, reason="unsloth is not installed"
)


def weights(adapter: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def plain(tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("plain") / "run"
    train(tiny_recipe(3, packing="none"), run, reporter=Silent())
    return run


@pytest.mark.parametrize("quantization", ["none", "4bit"])
def test_gradient_checkpointing_changes_no_loss(
    quantization: str, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    curves, notes = [], Notes()
    for on in (False, True):
        run = tmp_path / str(on)
        recipe = tiny_recipe(
            stages=GLOBAL_ONLY, quantization=quantization, gradient_checkpointing=on
        )
        train(recipe, run, reporter=notes)
        curves.append(losses(run, "global"))
        moved = [w.abs().max() for n, w in weights(run / "global/adapter").items() if "_B" in n]
        assert min(moved) > 0
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)
    shown = [", gradient checkpointing," in note for note in notes.said if "trained, fp32" in note]
    assert shown == [False, True]
    over = [" over 4bit weights" in note for note in notes.said if "trained, fp32" in note]
    assert over == [quantization == "4bit"] * 2


def test_activated_adapters_stay_with_the_backend_that_trains_them(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both backends train them, so `auto` takes what it always takes; FSDP is refused."""

    def recipe(backend: str) -> Recipe:
        return tiny_recipe(stages={"local": {"adapters": "activated"}}, backend=backend)

    monkeypatch.setattr(backends, "has_gpu", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert backends.choose(recipe("auto")) == "unsloth"
    for backend in ("auto", "plain", "unsloth"):
        assert backends.settle(recipe(backend)) == recipe(backend)
    monkeypatch.setattr(backends, "is_sharded", lambda: True)
    with pytest.raises(UserError, match=r"activated does not train with FSDP; use DDP"):
        backends.settle(recipe("plain"))


def test_eight_bit_moments_train_as_wide_ones_do(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """On a CPU too; bitsandbytes keeps matrices of 4096 numbers and more in 8 bits."""
    for asked in ("adamw", "adamw_8bit"):
        notes = Notes()
        recipe = tiny_recipe(stages=GLOBAL_ONLY, lora={"r": 64}, optimizer=asked)
        train(recipe, tmp_path / asked, reporter=notes)
        (note,) = (text for text in notes.said if "parameters trained" in text)
        assert f", {asked}," in note and "asked" not in note
    wide, narrow = (losses(tmp_path / name, "global") for name in ("adamw", "adamw_8bit"))
    assert wide == pytest.approx(narrow, rel=1e-2)
    assert wide != narrow


def test_what_is_really_done_is_read_back_and_reported(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    notes = Notes()
    recipe = tiny_recipe(1, stages={"global": {"max_steps": 1, "batch": 2}, "local": "none"})
    train(recipe, tmp_path / "run", reporter=notes)
    (note,) = (text for text in notes.said if "parameters trained" in text)
    assert re.match(
        r"global: 0\.\d+M of 3M parameters trained, fp32, longest row \d+ tokens, ", note
    )
    assert "2 x 1 in a step" in note


def test_rows_that_the_base_cannot_read_are_no_silent_cut(
    tiny_recipe: Callable[..., Recipe], tiny: Path, tmp_path: Path
) -> None:
    short = shutil.copytree(tiny, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with pytest.raises(UserError, match=r"would be cut: the model's positions is 64"):
        train(tiny_recipe(1, base={"model": str(short)}), tmp_path / "run", reporter=Silent())


@pytest.fixture(scope="module")
def first(
    tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunDir, str]:
    """All the jobs with Unsloth in one process, as `umi train` runs them; what it printed."""
    run = RunDir(tmp_path_factory.mktemp("first") / "run")
    run.create(tiny_recipe(3, backend="unsloth"))
    command = [sys.executable, "-m", "umi_lite.train.child", str(run.root)]
    temporary = tmp_path_factory.mktemp("temporary")
    env = {**os.environ, "TMPDIR": str(temporary)}
    env.pop("UNSLOTH_COMPILE_LOCATION", None)
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert not list(temporary.glob("umi-*"))
    return run, " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def second(
    first: tuple[RunDir, str],
    plain: Path,
    tiny_recipe: Callable[..., Recipe],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[RunDir, dict]]:
    """Further runs, all in a second process: the folder and what was reported of each."""
    root = tmp_path_factory.mktemp("second")
    rest = RunDir(shutil.copytree(first[0].root, root / "rest"))
    for job in ("caller", "summarizer"):
        shutil.rmtree(rest.root / job)
    several = {"global": {"batch": 4, "max_steps": 2}, "local": "none"}
    changes = {
        "4bit": {"quantization": "4bit"},
        "checkpointed": {
            "stages": GLOBAL_ONLY,
            "gradient_checkpointing": True,
            "optimizer": "adamw_8bit",
        },
        "joined": {"stages": several, "micro_batch": 2},
        "padded": {"stages": several, "micro_batch": 2, "packing": "none"},
    }
    runs = {"rest": rest} | {name: RunDir(root / name) for name in changes}
    for name, changed in changes.items():
        runs[name].create(tiny_recipe(3, backend="unsloth", **changed))
    shutil.copytree(plain / "global" / "adapter", runs["4bit"].adapter("global"))
    results = train_in_unsloth(*(run.root for run in runs.values()))
    return {name: (run, said) for (name, run), said in zip(runs.items(), results, strict=True)}


@needs_unsloth
def test_unsloth_trains_the_same_rows(
    plain: Path, first: tuple[RunDir, str], tiny_recipe: Callable[..., Recipe]
) -> None:
    """Same rows, order, mask and start: the losses are the plain backend's."""
    run, printed = first
    assert "parameters trained, fp32" in printed
    assert losses(run.root, "global") == pytest.approx(losses(plain, "global"), rel=1e-3)
    for job in JOBS:
        made = weights(run.adapter(job))
        assert made.keys() == weights(plain / job / "adapter").keys()
        assert len(losses(run.root, job)) == 3
    recipe = tiny_recipe()
    opened = backends.make(recipe, str(recipe.base.model), backends.resolve(recipe))
    model, _ = opened.open(run.adapter("planner"), 0)
    loaded = [p for n, p in model.named_parameters() if "lora_" in n]
    assert len(loaded) == len(weights(run.adapter("planner")))
    assert all(p.requires_grad for p in loaded)


@study
@needs_unsloth
def test_unsloth_loads_the_base_once_and_trains_as_in_processes_apart(
    first: tuple[RunDir, str], second: dict[str, tuple[RunDir, dict]]
) -> None:
    """There caller was the third job on a base in memory, here it is the first of a process."""
    run, result = second["rest"]
    assert result["loads"] == 1
    for job in JOBS:
        name = "adapter_model.safetensors"
        assert (run.adapter(job) / name).read_bytes() == (first[0].adapter(job) / name).read_bytes()


@study
@needs_unsloth
def test_unsloth_in_4bit_goes_on_with_a_plain_adapter(
    plain: Path, second: dict[str, tuple[RunDir, dict]]
) -> None:
    run, result = second["4bit"]
    assert result["loads"] == 1
    assert sum(" over 4bit weights" in note for note in result["notes"]) == 3
    start = weights(plain / "global" / "adapter")
    for job in JOBS[1:]:
        made = weights(run.adapter(job))
        moved = {name: (made[name].float() - start[name].float()).abs().max() for name in start}
        assert 0 < max(moved.values()) < 0.2  # went on from it: three steps of 1e-2, no new A


@study
@needs_unsloth
def test_unsloth_with_gradient_checkpointing_has_the_same_losses_and_a_change_is_reported(
    first: tuple[RunDir, str], second: dict[str, tuple[RunDir, dict]]
) -> None:
    run, result = second["checkpointed"]
    assert losses(run.root, "global") == pytest.approx(losses(first[0].root, "global"), rel=1e-5)
    (note,) = (text for text in result["notes"] if "parameters trained" in text)
    assert ", gradient checkpointing, " in note
    # Unsloth takes 8-bit AdamW back where there is no GPU.
    assert note.endswith("; asked optimizer adamw_8bit, got adamw")


@study
@needs_unsloth
def test_unsloth_joins_the_rows_of_a_micro_batch_with_the_same_losses(
    second: dict[str, tuple[RunDir, dict]],
) -> None:
    (joined, result), (padded, _) = second["joined"], second["padded"]
    assert any(", 2 x 2 in a step, adamw, padding-free," in note for note in result["notes"])
    assert not any("padded instead" in note for note in result["notes"])
    one, other = (losses(run.root, "global") for run in (joined, padded))
    assert one == pytest.approx(other, rel=1e-4)


def test_auto_takes_the_plain_backend_without_a_gpu(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    assert backends.choose(tiny_recipe(backend="auto")) == "plain"
    if importlib.util.find_spec("unsloth"):
        monkeypatch.setattr(backends, "has_gpu", lambda: True)
        assert backends.choose(tiny_recipe(backend="auto")) == "unsloth"
        assert backends.choose(tiny_recipe(backend="auto", packing="shared_prefix")) == "plain"
        with pytest.raises(UserError, match="shared_prefix needs backend plain"):
            backends.choose(tiny_recipe(backend="unsloth", packing="shared_prefix"))
        assert backends.choose(tiny_recipe(backend="auto", decision_weight=3)) == "plain"
        with pytest.raises(UserError, match="decision_weight: 3 needs backend plain"):
            backends.choose(tiny_recipe(backend="unsloth", decision_weight=3))


def test_more_layers_than_there_are_is_refused(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    lora = {"targets": ["q_proj"], "last_layers": 3}
    with pytest.raises(UserError, match="last_layers is 3, but the base has 2"):
        train(tiny_recipe(1, lora=lora), tmp_path / "run", reporter=Silent())
