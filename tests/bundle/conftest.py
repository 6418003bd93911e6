"""Real adapters, a finished run, and the bundle that export makes of it."""

from pathlib import Path

import pytest
from peft_adapters import write_peft

from umi_lite.bundle.bundle import Bundle
from umi_lite.recipe.schema import Recipe

JOBS = ("global", "planner", "caller", "summarizer")


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory, base_hf) -> Path:
    """A finished run: four adapters, its recipe, its versions, what its bounds must hold."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    for seed, job in enumerate(JOBS):
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
def bundle(run_dir, cache) -> Bundle:
    """The run's bundle, its base made again as Q8_0."""
    from umi_lite.bundle.export import export_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        return export_run(run_dir)
