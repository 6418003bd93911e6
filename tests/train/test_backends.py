"""Both backends on a CPU: full precision and 4-bit, and each goes on with the other's adapter."""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train import backends
from umi_lite.train.plan import JOBS
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

needs_unsloth = pytest.mark.skipif(
    importlib.util.find_spec("unsloth") is None, reason="unsloth is not installed"
)


def weights(adapter: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


def losses(run: Path, job: str) -> list[float]:
    return [json.loads(x)["loss"] for x in (run / job / "metrics.jsonl").open()]


@pytest.fixture(scope="module")
def plain(tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("plain") / "run"
    train(tiny_recipe(2, packing="none"), run, reporter=Silent())
    return run


def test_four_bit_trains_on_the_plain_backend(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(tiny_recipe(2, quantization="4bit"), run, reporter=Silent())
    for job in JOBS:
        assert any(
            w.abs().max() > 0 for n, w in weights(run / job / "adapter").items() if "_B" in n
        )


class Notes(Silent):
    """Keeps what is worth reading."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_what_is_really_done_is_read_back_and_told(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    notes = Notes()
    recipe = tiny_recipe(1, stages={"global": {"max_steps": 1, "batch": 2}, "local": "none"})
    train(recipe, tmp_path / "run", reporter=notes)
    (told,) = (text for text in notes.said if "parameters trained" in text)
    assert re.match(
        r"global: 0\.\d+M of 3M parameters trained, fp32, longest row \d+ tokens, ", told
    )
    assert "2 x 1 in a step" in told


def test_rows_that_the_base_cannot_read_are_no_silent_cut(
    tiny_recipe: Callable[..., Recipe], tiny: Path, tmp_path: Path
) -> None:
    short = shutil.copytree(tiny, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with pytest.raises(UserError, match=r"would be cut: the model's positions is 64"):
        train(tiny_recipe(1, base={"model": str(short)}), tmp_path / "run", reporter=Silent())


@needs_unsloth
def test_unsloth_trains_the_same_rows(
    plain: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    """Same rows, order and mask: before the first update the loss is the plain backend's."""
    run = RunDir(tmp_path / "run")
    train(tiny_recipe(2, backend="unsloth"), run.root)
    assert "parameters trained, fp32" in " ".join(capfd.readouterr().err.split())
    assert losses(run.root, "global")[0] == pytest.approx(losses(plain, "global")[0], rel=1e-3)
    for job in JOBS:
        made = weights(run.adapter(job))
        assert made.keys() == weights(plain / job / "adapter").keys()
        assert len(losses(run.root, job)) == 2
    opened = backends.make("plain", tiny_recipe(), str(tiny_recipe().base.model))
    model, _ = opened.open(run.adapter("planner"), 0)
    loaded = {n: p for n, p in model.named_parameters() if "lora_" in n}
    stored = weights(run.adapter("planner"))
    assert len(loaded) == len(stored) and all(p.requires_grad for p in loaded.values())


@needs_unsloth
def test_unsloth_in_4bit_goes_on_with_a_plain_adapter(
    plain: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = tiny_recipe(2, backend="unsloth", quantization="4bit")
    run = RunDir(tmp_path / "run")
    run.create(recipe)
    shutil.copytree(plain / "global" / "adapter", run.adapter("global"))
    train(recipe, run.root, resume=True)
    start = weights(plain / "global" / "adapter")
    for job in JOBS[1:]:
        made = weights(run.adapter(job))
        moved = {name: (made[name].float() - start[name].float()).abs().max() for name in start}
        assert 0 < max(moved.values()) < 0.2  # went on from it: two steps of 1e-2, no new A


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


def test_more_layers_than_there_are_is_refused(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    lora = {"targets": ["q_proj"], "last_layers": 3}
    with pytest.raises(UserError, match="last_layers is 3, but the base has 2"):
        train(tiny_recipe(1, lora=lora), tmp_path / "run", reporter=Silent())
