"""Killed at a random step of each of the four jobs and resumed: bit for bit the run in one go."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

STEPS, EVERY, MEASURED = 16, 4, 8
# Imports once, then a process for each line: recipe, run folder, job to be killed in, the step
# after which it happens, and some milliseconds on top.
SERVER = """
import gc, os, signal, sys, threading, traceback
from pathlib import Path
import datasets, peft, torch, transformers, trl.trainer.sft_trainer
from umi_lite.data import bfcl
from umi_lite.recipe.schema import load_recipe
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import train

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

class Killer(Silent):
    def step(self, job, tokens, text):
        if job == sys_job and text.startswith(f"step {sys_step}/"):
            threading.Timer(wait, kill).start()

gc.freeze()  # a collection in the children looks at what they made alone
bfcl.held_out = lambda: []  # as in conftest.py
for line in sys.stdin:
    recipe, run, sys_job, sys_step, wait = line.split()
    wait, run = float(wait) / 1000, Path(run)
    child = os.fork()
    if child == 0:
        try:
            train(load_recipe(recipe), run, resume=run.exists(), reporter=Killer())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
Server = Callable[[Path, Path, str, int, float], int]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Trains in a process of its own and returns its wait status: 0, or 9 where it was killed."""
    command = [sys.executable, "-c", SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin and process.stdout

        def ask(recipe: Path, run: Path, job: str, step: int, wait: float) -> int:
            assert process.stdin and process.stdout
            process.stdin.write(f"{recipe} {run} {job} {step} {wait}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield ask
        process.stdin.close()


def write_recipe(made: Recipe, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(made.to_yaml())
    return path


def recipe(tiny_recipe: Callable[..., Recipe], **changes: object) -> Recipe:
    stage = {"learning_rate": 3e-3, "batch": 2, "max_steps": STEPS, "epochs": 30}
    stages = {"global": stage, "local": {**stage, "summarizer": {"epochs": 30}}}
    # Chance must go on where it was, and the evaluations choose the same adapter.
    more = {"lora": {"dropout": 0.2}, "validation": {"share": 0.2, "every": MEASURED}}
    return tiny_recipe(stages=stages, checkpoint_every=EVERY, **more, **changes)


def adapters(run: Path) -> dict[str, bytes]:
    return {job: (run / job / "adapter" / "adapter_model.safetensors").read_bytes() for job in JOBS}


def records(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(
    tiny_recipe: Callable[..., Recipe], server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run in one go."""
    folder = tmp_path_factory.mktemp("whole")
    path = write_recipe(recipe(tiny_recipe), folder)
    assert server(path, folder / "run", "none", 0, 0) == 0
    return folder / "run"


def kill_in_every_job(server: Server, recipe: Path, root: Path, seed: int) -> None:
    """Then finish it. A job is killed in the first half of its steps."""
    run, chance = RunDir(root), random.Random(seed)
    for i, job in enumerate(JOBS):
        step, wait = chance.randint(1, STEPS // 2), chance.uniform(0, 15)
        print(f"{job}: killed {wait:.1f} ms after step {step}")
        assert server(recipe, root, job, step, wait) == 9
        assert not run.is_done(job)
        assert all(run.is_done(done) for done in JOBS[:i])
        # What a kill leaves in the middle of a checkpoint: newest, and not to be loaded.
        half = run.checkpoints(job) / f"checkpoint-{STEPS - 1}"
        half.mkdir(parents=True)
        (half / "adapter_model.safetensors").write_bytes(b"half")
    assert server(recipe, root, "none", 0, 0) == 0


def same_runs(root: Path, whole: Path) -> None:
    run, expected = RunDir(root), RunDir(whole)
    for job in JOBS:
        made, meant = records(run.metrics(job)), records(expected.metrics(job))
        assert [r["step"] for r in made] == list(range(1, STEPS + 1))
        assert [r["loss"] for r in made] == [r["loss"] for r in meant]
        evaluated = records(run.validation(job))
        assert evaluated == records(expected.validation(job))
        assert len(evaluated) == 1 + STEPS // MEASURED
        assert not run.checkpoints(job).exists()
    assert adapters(root) == adapters(whole)


def test_killed_at_a_random_step_of_every_job_nothing_differs(
    whole: Path, server: Server, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    kill_in_every_job(server, whole / "recipe.yaml", tmp_path / "run", seed)
    same_runs(tmp_path / "run", whole)


def test_a_run_folder_holds_what_it_should(whole: Path) -> None:
    assert "torch" in json.loads((whole / "versions.json").read_text())
    chart = (whole / "loss.svg").read_text()
    assert chart.startswith("<svg") and chart.count("<polyline") == len(JOBS)
    weights = adapters(whole)
    assert len(set(weights.values())) == len(JOBS)  # the roles went on from global, each its way
    losses = [r["loss"] for r in records(whole / "global/metrics.jsonl")]
    assert losses[-1] < losses[0]


def test_resuming_a_finished_run_does_nothing(whole: Path) -> None:
    before = adapters(whole)
    train(None, whole, resume=True, reporter=Silent())
    assert adapters(whole) == before


def test_a_folder_in_use_or_of_another_recipe_is_refused(
    whole: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds a run already"):
        train(recipe(tiny_recipe), whole, reporter=Silent())
    with pytest.raises(UserError, match=r"another recipe \(seed differs\)"):
        train(recipe(tiny_recipe, seed=5), whole, resume=True)
    with pytest.raises(UserError, match="no run to resume"):
        train(None, tmp_path, resume=True)
