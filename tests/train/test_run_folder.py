"""Who may train in a run folder, and what becomes of a start that fails there."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import losses

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

UMI = str(Path(sys.executable).parent / "umi")
ONE_STEP = {"global": {"learning_rate": 1e-2, "batch": 1, "max_steps": 1}, "local": "none"}


def umi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([UMI, *arguments], capture_output=True, text=True, timeout=120)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, (done.returncode, done.stderr)
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_start_that_failed_leaves_its_folder_to_the_next_one(
    tiny: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    short = tiny_recipe(stages=ONE_STEP, max_length=16)
    with pytest.raises(UserError, match="longer than max_length"):
        train(short, run.root, reporter=Silent())
    wrong = tiny_recipe(stages=ONE_STEP, lora={"targets": ["q_proj"], "last_layers": 3})
    with pytest.raises(UserError, match="last_layers is 3"):
        train(wrong, run.root, reporter=Silent())
    narrow = shutil.copytree(tiny, tmp_path / "narrow")
    config = json.loads((narrow / "config.json").read_text())
    (narrow / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with pytest.raises(UserError, match="would be cut"):  # the trainer has made its folder by now
        train(tiny_recipe(stages=ONE_STEP, base={"model": str(narrow)}), run.root)
    # What a job evaluated before its first step is of that recipe, too.
    run.validation("global").parent.mkdir(exist_ok=True)
    run.validation("global").write_text('{"step": 0, "eval_loss": 99.0}\n')
    right = tiny_recipe(stages=ONE_STEP)
    train(right, run.root, reporter=Silent())
    assert run.resume(None) == right and len(losses(run.root)) == 1
    assert not run.validation("global").exists()
    with pytest.raises(UserError, match="holds a run already"):
        train(right, run.root, reporter=Silent())


class Second(Silent):
    """While the first process trains, a second one tries to."""

    def __init__(self, run: Path, recipe: Path) -> None:
        self._run, self._recipe = str(run), str(recipe)
        self.said: list[str] = []

    def step(self, job: str, tokens: int, text: str) -> None:
        for arguments in (["--resume"], [self._recipe]):
            self.said.append(one_line(umi("train", *arguments, "--out", self._run)))


def test_a_second_process_in_a_run_folder_is_refused_in_one_line(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = tiny_recipe(stages=ONE_STEP)
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    second = Second(tmp_path / "run", path)
    train(recipe, tmp_path / "run", reporter=second)
    assert len(second.said) == 2
    assert all("run is in use: another process trains there" in line for line in second.said)
    train(None, tmp_path / "run", resume=True, reporter=Silent())  # and let go of it


def test_resume_does_not_drop_options_that_would_change_the_run(tmp_path: Path) -> None:
    resume = ("train", "--resume", "--out", str(tmp_path))
    for more in (("-o", "seed=3"), ("--variant", "single")):
        assert "-o and --variant would change" in one_line(umi(*resume, *more))


@pytest.mark.parametrize("kind", ["a file", "below a file", "a dangling link", "not for files"])
def test_a_run_folder_that_cannot_be_made_is_one_line(
    kind: str, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("x")
    link.symlink_to(tmp_path / "gone" / "run")
    root = {
        "a file": file,
        "below a file": file / "run",
        "a dangling link": link,
        "not for files": Path("/proc/self/run"),
    }[kind]
    with pytest.raises(UserError, match=f"^{root} cannot be written: ") as err:
        train(tiny_recipe(stages=ONE_STEP), root, reporter=Silent())
    assert "\n" not in str(err.value)


class Blocked(Silent):
    """After the second step a file is where a checkpoint should be written."""

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints

    def step(self, job: str, tokens: int, text: str) -> None:
        if text.startswith("step 2/"):
            (self._checkpoints / "checkpoint-2").write_text("")


def test_a_checkpoint_that_cannot_be_written_is_one_line(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": 3}
    recipe = tiny_recipe(stages={"global": stage, "local": "none"}, checkpoint_every=1)
    run = RunDir(tmp_path / "run")
    line = r"global: .*checkpoint-2.* cannot be written \(.*nothing is lost up to step 1: "
    with pytest.raises(UserError, match=line):
        train(recipe, run.root, reporter=Blocked(run.checkpoints("global")))
    (run.checkpoints("global") / "checkpoint-2").unlink()
    train(None, run.root, resume=True, reporter=Silent())
    assert len(losses(run.root)) == 3


@pytest.mark.parametrize("name", ["curves.html", "loss.svg"])
def test_a_page_or_chart_that_cannot_be_written_is_one_line(
    name: str, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    (run.root / name).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"{name}.* cannot be written.*Is a directory"):
        train(tiny_recipe(stages=ONE_STEP), run.root, reporter=Silent())
