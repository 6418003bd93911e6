"""Fixtures for all folders: the embedded model, a finished run, its bundle."""

import ctypes
import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from umi_lite.bundle.bundle import Bundle


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the episodes that tests run out of the user's trace store."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("UMI_LITE_DATA", str(folder))
        yield folder


@pytest.fixture(scope="module", autouse=True)
def collected() -> None:
    """Leave what earlier modules imported and keep out of garbage collections.

    A training collects garbage twice per job: over torch, transformers and the other tests, that
    takes longer than the steps of a small model.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def base_gguf() -> Path:
    """Return the file of the embedded model."""
    from umi_lite.weights.embedded import embedded_gguf

    return embedded_gguf()


@pytest.fixture(scope="session")
def base_hf(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the embedded model as an HF folder."""
    from umi_lite.weights.gguf_to_hf import hf_folder

    return hf_folder(base_gguf, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def f32_gguf(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the embedded model in F32: logits hardly depend on what else is in the batch.

    Quantised weights use other kernels for many tokens than for one, and the top choices of an
    untrained model are close.
    """
    from umi_lite.engine.library import library

    path = tmp_path_factory.mktemp("f32") / "base.F32.gguf"
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = lib.LLAMA_FTYPE_ALL_F32, True
    files = (os.fsencode(base_gguf), os.fsencode(path))
    assert lib.llama_model_quantize(*files, ctypes.byref(params)) == 0
    return path


@pytest.fixture(scope="session")
def engine(base_gguf: Path) -> Iterator:
    """Open the embedded model: four views, no adapter, two slots."""
    from umi_lite.engine.engine import Engine

    views = ("backbone", "planner", "caller", "summarizer")
    with Engine(base_gguf, dict.fromkeys(views), n_ctx=1024, slots=2) as made:
        yield made


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory, base_hf) -> Path:
    """A finished run: four adapters, its recipe, its versions, what its bounds must hold."""
    from peft_adapters import write_peft

    from umi_lite.recipe.schema import Recipe

    folder = tmp_path_factory.mktemp("runs") / "small"
    for seed, job in enumerate(("global", "planner", "caller", "summarizer")):
        write_peft(folder / job / "adapter", base_hf, seed)
    data = [{"source": "toolworld", "split": "train", "n": 10}]
    recipe = Recipe.model_validate({"name": "small", "data": data, "export": {"quantize": "Q8_0"}})
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    (folder / "versions.json").write_text('{"torch": "2.13.0"}')
    (folder / "bounds.json").write_text('{"max_thought_chars": 1531, "max_answer_tokens": 400}')
    return folder


@pytest.fixture(scope="session")
def cache(base_hf) -> Path:
    """Where `hf_folder` finds `base_hf` again."""
    return base_hf.parent


@pytest.fixture(scope="session")
def bundle(run_dir, cache) -> "Bundle":
    """The run's bundle, its base requantized to Q8_0."""
    from umi_lite.bundle.export import export_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        return export_run(run_dir)


@pytest.fixture(scope="session")
def short_bundle(bundle: "Bundle", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same bundle with short turns and one call."""
    folder = tmp_path_factory.mktemp("short") / "bundle"
    folder.mkdir()
    for file in bundle.path.iterdir():
        if file.name != "bundle.json":
            os.link(file, folder / file.name)
    spec = json.loads((bundle.path / "bundle.json").read_text())
    spec["bounds"] = {
        "max_calls": 1,
        "max_thought_chars": 40,
        "max_thought_tokens": 24,
        "max_call_tokens": 100,
        "max_answer_tokens": 12,
    }
    (folder / "bundle.json").write_text(json.dumps(spec))
    return folder
