"""Tiny models of real vocabularies through the whole circle: train, export, run.

Windows are shorter than the rows, scores are capped, positions scaled: whatever a step leaves out
of such a model shows as another loss, other ids or other logits.
"""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import study
from vocabularies import VOCABULARIES, WINDOW, make_model

from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.export import export_run, window_note
from umi_lite.data import toolworld
from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import view_messages
from umi_lite.protocol.trajectory import ROLES, VIEWS
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.inputs import base_language
from umi_lite.train.packs import Row, make_packs
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import read_metrics
from umi_lite.train.samples import make_rows
from umi_lite.train.trainer import train
from umi_lite.weights.gguf_to_hf import hf_folder
from umi_lite.weights.hf_to_gguf import convert

pytestmark = [study, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # llama.cpp sets tokens' attributes by words in a model's name, e.g. "phi3".
    return make_model(name, tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def gguf(folder: Path) -> Path:
    path = folder.with_suffix(".gguf")
    options = ["--outtype", "f32", "--outfile", str(path), str(folder)]
    convert("convert_hf_to_gguf.py", [(folder.name, options)])
    return path


@pytest.fixture(scope="module")
def recipe(name: str, folder: Path, gguf: Path) -> Recipe:
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": 3}
    base = {"model": str(folder), "gguf": str(gguf), "template": VOCABULARIES[name].template}
    tree = {
        "name": "tiny",
        "base": base,
        "data": [{"source": "toolworld", "split": "train", "n": 16}],
        "stages": {"global": stage, "local": stage},
        "lora": {"targets": VOCABULARIES[name].targets},
        "backend": "plain",
    }
    return Recipe.model_validate(tree)


@pytest.fixture(scope="module")
def rows(recipe: Recipe, folder: Path) -> dict[str, list[Row]]:
    language = base_language(recipe, str(folder))
    data = toolworld.load("train", 16, 0).trajectories
    return {v: make_rows(data, v, language, max_length=2048).rows for v in VIEWS}


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "run"
    train(recipe, root, reporter=Silent())
    return root


@pytest.fixture(scope="module")
def bundle(run: Path) -> Bundle:
    return export_run(run)


def test_ids_are_llama_cpps(name: str, recipe: Recipe, folder: Path, gguf: Path) -> None:
    language = base_language(recipe, str(folder))
    count = 0
    with closing(Model.vocabulary(gguf)) as model:
        for trajectory in toolworld.load("train", 16, 0).trajectories:
            for view in VIEWS:
                for piece in language.template.pieces(view_messages(trajectory, view)):
                    expected = model.encode(piece.text, special=piece.special)
                    made = language.tokenizer.encode(piece.text, special=piece.special)
                    assert made == expected, piece.text
                    count += 1
    print(f"{name}: {count} pieces with the ids of llama.cpp")


def _own_loss(model: Any, rows: list[Row]) -> float:
    import torch

    total = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        total += (losses * torch.tensor(row.weights[1:])).sum().item()
    return total / sum(row.trained for row in rows)


def test_losses_are_the_models_own(name: str, folder: Path, rows: dict[str, list[Row]]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from umi_lite.train.attention import register
    from umi_lite.train.collate import pack_inputs, weighted_loss

    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    some = rows["backbone"][:4]
    assert min(len(row.ids) for row in some) > 2 * WINDOW
    own = _own_loss(model, some)
    model.set_attn_implementation(register())
    total, count = 0.0, sum(row.trained for row in some)
    for pack in make_packs(some, length=1024, seed=0):
        inputs = pack_inputs(pack)
        labels = inputs.pop("labels")
        with torch.no_grad():
            total += weighted_loss(model(**inputs, use_cache=False), labels, count).item()
    print(f"{name}: umi_lite {total:.6f}, the model's own {own:.6f}")
    assert total == pytest.approx(own, rel=1e-5)


def _llama_cpp(gguf: Path, adapter: Path | None, ids: list[int]) -> np.ndarray:
    with closing(Model(gguf)) as model:
        lora = model.adapter(adapter) if adapter else None
        context = Context(model, lora, n_ctx=len(ids), slots=1, threads=1, n_batch=len(ids))
        with closing(context):
            context.decode([(token, i, 0, True) for i, token in enumerate(ids)])
            return np.stack([context.logits(i).copy() for i in range(len(ids))])


def _transformers(folder: Path, adapter: Path, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the base, and with the adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, adapter).eval()
    with torch.no_grad():
        adapted = model(torch.tensor([ids])).logits[0].numpy()
        with model.disable_adapter():
            return model(torch.tensor([ids])).logits[0].numpy(), adapted


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Median over the tokens: where two experts are level, rounding chooses."""
    return float(np.median(np.sqrt(((one - other) ** 2).mean(-1))) / one.std())


def test_llama_cpp_runs_what_was_trained(
    name: str, folder: Path, gguf: Path, run: Path, bundle: Bundle, rows: dict[str, list[Row]]
) -> None:
    """Base and adapter, within the window and, where llama.cpp has it, beyond."""
    row = rows["planner"][0]
    adapter = run / "planner" / "adapter"
    for length in (WINDOW, 4 * WINDOW):
        ids = row.ids[:length]
        base, adapted = _transformers(folder, adapter, ids)
        plain = _apart(base, _llama_cpp(gguf, None, ids)[:, : base.shape[1]])
        lora = _apart(
            adapted, _llama_cpp(gguf, bundle.adapters["planner"], ids)[:, : base.shape[1]]
        )
        print(f"{name}, {length} tokens: base {plain:.1e}, adapter {lora:.1e} apart")
        assert _apart(base, adapted) > 0.05
        if length <= WINDOW or VOCABULARIES[name].windowed:
            assert max(plain, lora) < 1e-2
        else:
            assert plain > 1e-2
    note = window_note(folder, gguf)
    assert (note is None) == VOCABULARIES[name].windowed
    assert note is None or f"without the sliding window of {WINDOW} tokens" in note


def test_its_gguf_dequantised_is_the_model(
    name: str, recipe: Recipe, folder: Path, gguf: Path, tmp_path: Path
) -> None:
    """Weights, positions and ids, of the architectures that `base.gguf` reads."""
    from safetensors.torch import load_file

    if name not in ("llama3.1", "qwen2"):
        with pytest.raises(UserError, match="cannot be trained from its GGUF: name the HF model"):
            hf_folder(gguf, tmp_path)
        return
    made = hf_folder(gguf, tmp_path)
    own, again = (load_file(each / "model.safetensors") for each in (folder, made))
    assert own.keys() == again.keys()
    assert all((own[key] - again[key]).abs().max() < 1e-6 for key in own)
    config, read = (json.loads((each / "config.json").read_text()) for each in (folder, made))
    assert read["rope_parameters"] == pytest.approx(config["rope_parameters"])
    rebuilt, original = (base_language(recipe, str(each)).tokenizer for each in (made, folder))
    for trajectory in toolworld.load("train", 16, 0).trajectories:
        text = trajectory.model_dump_json() + "<|im_end|>It's  2024!\r\n\n\tÉtudes, 東京 1,234"
        assert rebuilt.encode(text, special=True) == original.encode(text, special=True)


def test_it_trains_in_all_jobs_and_runs(name: str, run: Path, bundle: Bundle) -> None:
    from rich.console import Console

    from umi_lite.ask import ask

    for job in JOBS:
        curve = [record["loss"] for record in read_metrics(run / job / "metrics.jsonl")]
        print(f"{name} {job}: {curve[0]:.3f} to {curve[-1]:.3f}")
        assert len(curve) == 3 and np.isfinite(curve).all()
    assert set(ROLES) < set(bundle.adapters)
    asked = ask(bundle, "What is the weather in Paris?", Console(quiet=True))
    trace = asked.trace
    assert asked.path is not None and asked.path.is_file() and trace.turns
    print(f"{name}: {len(trace.turns)} turns, {trace.stop}")
