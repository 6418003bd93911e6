"""`stages.global.start`: training from a bundle's global adapter."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.plan import describe
from umi_lite.train.trainer import train


def recipe_of(bundle, base_hf, rank=4) -> Recipe:
    first = {"start": str(bundle.path), "learning_rate": 1e-7, "batch": 1, "max_steps": 1}
    return Recipe.model_validate(
        {
            "name": "from-bundle",
            "base": {"model": str(base_hf)},
            "data": [{"source": "toolworld", "split": "train", "n": 2}],
            "lora": {"r": rank, "alpha": 8},
            "stages": {"global": first, "local": "none"},
            "packed_length": 384,
            "backend": "plain",
            "precision": "fp32",
        }
    )


def test_a_run_begins_with_the_global_adapter(tmp_path, bundle, run_dir, base_hf):
    recipe = recipe_of(bundle, base_hf)
    assert f"a copy of the global adapter of {bundle.path}" in "\n".join(describe(recipe))
    run = train(recipe, tmp_path / "run")
    first = load_file(run_dir / "global" / "adapter" / "adapter_model.safetensors")
    trained = load_file(run.adapters["global"] / "adapter_model.safetensors")
    assert first.keys() == trained.keys()
    # A step of Adam is as large as the rate; the bundle's adapter is in F16.
    assert all(np.allclose(first[key], trained[key], rtol=1e-3, atol=1e-5) for key in first)
    assert (run.root / "start" / "adapter").is_dir()  # it resumes without the bundle


def test_the_finished_adapter_is_averaged_with_the_start(tmp_path, bundle, base_hf):
    def trained(share: float) -> tuple[dict, dict]:
        tree = recipe_of(bundle, base_hf).model_dump(by_alias=True, exclude_none=True)
        tree["stages"]["global"] |= {"start_share": share, "learning_rate": 1e-2}
        recipe = Recipe.model_validate(tree)
        assert (f"({share:g} of it)" in "\n".join(describe(recipe))) == (share > 0)
        run = train(recipe, tmp_path / f"{share:g}")
        folders = (run.root / "start" / "adapter", run.adapters["global"])
        start, made = (load_file(folder / "adapter_model.safetensors") for folder in folders)
        return start, made

    start, whole = trained(0.0)
    same, part = trained(0.25)
    for key in whole:
        assert (start[key] == same[key]).all()
        assert np.allclose(part[key], 0.75 * whole[key] + 0.25 * start[key], atol=1e-6)
    assert any(not np.allclose(part[key], whole[key], atol=1e-4) for key in whole)


def test_a_share_of_the_start_needs_one(base_hf, bundle):
    tree = recipe_of(bundle, base_hf).model_dump(by_alias=True, exclude_none=True)
    tree["stages"]["global"] |= {"start": None, "start_share": 0.5}
    with pytest.raises(ValueError, match="start_share needs start"):
        Recipe.model_validate(tree)


def test_other_adapters_and_bases_are_refused(tmp_path, bundle, base_hf, tiny):
    with pytest.raises(UserError, match=r"has r 4, the recipe.s lora\.r is 8"):
        train(recipe_of(bundle, base_hf, rank=8), tmp_path / "rank")
    other = recipe_of(bundle, tiny)
    with pytest.raises(UserError, match="layers"):
        train(other, tmp_path / "base")
    assert not (tmp_path / "base" / "start").exists()
