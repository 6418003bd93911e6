"""What no job trains on: drawn once, weighed by token, and the best adapter is the one kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import Notes

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS, JobName
from umi_lite.train.evaluation import BestAdapter, hold_out
from umi_lite.train.inputs import load_data
from umi_lite.train.plan import describe
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

STEPS = 10


def records(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def run(
    tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory, notes: Notes
) -> RunDir:
    """A learning rate that grows until it is too high, so that some job's last adapter is not
    its best. With one seed that is likely (15 jobs of 20), and not certain on every machine."""
    stage = {"learning_rate": 0.03, "batch": 1, "warmup_ratio": 0.9}
    stage |= {"epochs": 2, "max_steps": STEPS}
    folder = tmp_path_factory.mktemp("validation")
    made = RunDir(folder)
    for seed in range(3):
        recipe = tiny_recipe(
            seed=seed,
            stages={"global": stage, "local": stage},
            validation={"share": 0.2, "every": 2},
            decision_weight=5.0,
        )
        made = RunDir(folder / str(seed))
        notes.said.clear()
        train(recipe, made.root, reporter=notes)
        if any(lowest(made, job)["step"] < STEPS for job in JOBS):
            break
    return made


def lowest(run: RunDir, job: JobName) -> dict[str, float]:
    """The evaluation of the lowest loss among a job's adapters (at step 0 it has none)."""
    return min(records(run.validation(job))[1:], key=lambda r: r["eval_loss"])


def test_every_job_is_evaluated_at_its_start_between_and_at_its_end(run: RunDir) -> None:
    for job in JOBS:
        assert [r["step"] for r in records(run.validation(job))] == list(range(0, STEPS + 1, 2))
        assert [r["step"] for r in records(run.metrics(job))] == list(range(1, STEPS + 1))
        assert not list(run.job(job).glob("*best-*"))


def test_a_job_ends_with_the_adapter_of_the_lowest_loss(run: RunDir, notes: Notes) -> None:
    """The loss is computed again here, by transformers alone: no weights, a mean over tokens."""
    earlier = 0
    for job in JOBS:
        best = lowest(run, job)
        earlier += best["step"] < STEPS
        assert any(
            text.startswith(f"{job}: ends with the adapter of step {best['step']} of {STEPS}")
            for text in notes.said
        )
        assert loss_again(run, job) == pytest.approx(best["eval_loss"], rel=1e-4)
    assert earlier, "the last adapter was always the best: this shows nothing"


def loss_again(run: RunDir, job: JobName) -> float:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from umi_lite.train.inputs import base_language
    from umi_lite.train.samples import make_rows

    recipe = run.resume(None)
    assert recipe.base.model
    _, apart = hold_out(recipe, load_data(recipe).trajectories)
    view = "backbone" if job == "global" else job
    language = base_language(recipe, recipe.base.model)
    rows = make_rows(apart, view, language, max_length=recipe.max_length).rows
    base = AutoModelForCausalLM.from_pretrained(recipe.base.model)
    model = PeftModel.from_pretrained(base, str(run.adapter(job))).eval()
    total = 0.0
    with torch.no_grad():
        for row in rows:
            labels = [t if w else -100 for t, w in zip(row.ids, row.weights, strict=True)]
            out = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([labels]))
            total += out.loss.item() * row.trained
    return total / sum(row.trained for row in rows)


def test_the_last_one_is_kept_where_asked(
    run: RunDir, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = run.resume(None)
    last = recipe.model_copy(
        update={"validation": recipe.validation.model_copy(update={"keep": "last"})}
    )
    train(last, tmp_path / "run", reporter=Silent())
    made = RunDir(tmp_path / "run")
    written = records(made.validation("global"))
    assert written == records(run.validation("global"))
    assert loss_again(made, "global") == pytest.approx(written[-1]["eval_loss"], rel=1e-4)


def test_what_is_held_out_is_drawn_by_seed_alone(tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = tiny_recipe(validation={"share": 0.25})
    data = list(range(16))
    kept, apart = hold_out(recipe, data)
    assert len(apart) == 4 and sorted(kept + apart) == data
    assert kept == sorted(kept) and apart == sorted(apart)
    assert hold_out(recipe, data) == (kept, apart)
    assert hold_out(tiny_recipe(validation={"share": 0.25}, seed=1), data) != (kept, apart)
    assert hold_out(tiny_recipe(), data) == (data, [])
    assert len(hold_out(tiny_recipe(validation={"share": 0.01}), data)[1]) == 1
    with pytest.raises(UserError, match="holds out all"):
        hold_out(tiny_recipe(validation={"share": 0.99}), data)


def test_the_plan_tells_it(tiny_recipe: Callable[..., Recipe]) -> None:
    plan_text = "\n".join(describe(tiny_recipe(validation={"share": 0.1, "every": 7})))
    assert "10% of the trajectories held out" in plan_text and "every 7 steps" in plan_text
    assert "lowest" in plan_text
    assert "held out" not in "\n".join(describe(tiny_recipe()))


def test_best_keeps_one_whole_adapter(tmp_path: Path) -> None:
    best = BestAdapter(tmp_path)

    def save(folder: str) -> None:
        Path(folder).mkdir()
        (Path(folder) / "weights").write_text("whole")

    def broken(folder: str) -> None:
        save(folder)
        raise OSError("no space")

    best.offer(1, float("nan"), save)
    assert best.found() is None
    best.offer(2, 0.5, save)
    best.offer(3, 0.7, broken)
    with pytest.raises(OSError, match="no space"):
        best.offer(4, 0.3, broken)
    kept = best.found()
    assert kept and (kept.step, kept.loss) == (2, 0.5)
    assert (kept.folder / "adapter" / "weights").read_text() == "whole"
    best.offer(5, 0.2, save)
    (found,) = tmp_path.iterdir()
    # Killed between keeping the new one and dropping the old one: the lower loss counts.
    shutil.copytree(found, tmp_path / "best-old")
    (tmp_path / "best-old" / "evaluation.json").write_text('{"step": 4, "loss": 0.4}')
    kept = best.found()
    assert kept and kept.step == 5
    best.remove()
    assert not list(tmp_path.iterdir())
