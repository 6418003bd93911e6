"""Two processes under `accelerate launch`, on the CPU: the same training as in one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from kept import Notes
from studies import study

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train import distributed
from umi_lite.train.backends import choose
from umi_lite.train.collate import pack_inputs, weighted_loss
from umi_lite.train.dataset import pad_to_multiple
from umi_lite.train.packs import Row, make_packs
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

STEPS = 24
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
LAUNCH += ["--num_processes", "2", "--main_process_port", "0", "-m", "umi_lite", "train"]


def launch(*arguments: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [*LAUNCH, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def launched(*arguments: object) -> tuple[str, str]:
    """stdout and stderr of a run that succeeds."""
    process = launch(*arguments)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return stdout, stderr


def steps_of(run: Path, job: str) -> list[dict]:
    return [json.loads(line) for line in (run / job / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, job: str) -> bytes:
    return (run / job / "adapter" / "adapter_model.safetensors").read_bytes()


def same_losses(one: Path, other: Path, job: str) -> None:
    one_run, other_run = steps_of(one, job), steps_of(other, job)
    assert [r["step"] for r in one_run] == list(range(1, len(one_run) + 1))
    for key in ("step", "tokens", "trained_tokens"):
        assert [r[key] for r in one_run] == [r[key] for r in other_run]
    assert [r["loss"] for r in one_run] == pytest.approx([r["loss"] for r in other_run], rel=1e-4)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process too: two threads of each on two cores wait for each other."""
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")


@pytest.fixture(scope="module")
def file(tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = {"learning_rate": 1e-3, "batch": 4}
    first = {**stage, "max_steps": STEPS, "epochs": 30}
    recipe = tiny_recipe(
        data=[{"source": "toolworld", "split": "train", "n": 13}],
        stages={"global": first, "local": {**stage, "summarizer": {"epochs": 1}}},
        checkpoint_every=1000,
    )
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(recipe.to_yaml())
    return path


@pytest.fixture(scope="module")
def both(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """An uninterrupted run of two distributed, and what it printed."""
    run = tmp_path_factory.mktemp("both") / "run"
    return (run, *launched(file, "--out", run))


def test_two_processes_train_as_one_does(
    both: tuple[Path, str, str], file: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load

    from umi_lite.recipe.schema import load_recipe

    run, stdout, stderr = both
    alone = tmp_path / "alone"
    train(load_recipe(file), alone, reporter=Silent())
    for job in JOBS:
        same_losses(run, alone, job)
        first, second = load(weights(run, job)), load(weights(alone, job))
        assert first.keys() == second.keys()
        for name in first:
            assert (first[name] - second[name]).abs().max() < 1e-4, name
    # A last step that is not full, and cannot be shared out evenly.
    assert (
        steps_of(run, "caller")[-1]["trained_tokens"]
        < steps_of(run, "global")[-1]["trained_tokens"]
    )
    assert stdout.count("adapters in") == 1
    assert stderr.count("2 processes share each step's batch") == 1
    assert sorted(p.name for p in run.iterdir()) == sorted(p.name for p in alone.iterdir())


def test_two_processes_train_activated_adapters_as_one_does(file: Path, tmp_path: Path) -> None:
    from umi_lite.recipe.schema import load_recipe

    changes = ["stages.local.adapters=activated", "stages.global.max_steps=2"]
    run, alone = tmp_path / "both", tmp_path / "alone"
    launched(file, *(text for change in changes for text in ("-o", change)), "--out", run)
    train(load_recipe(file, changes), alone, reporter=Silent())
    for job in JOBS:
        same_losses(run, alone, job)


def test_a_batch_that_cannot_be_shared_stops_all_before_anything_is_written(
    file: Path, tmp_path: Path
) -> None:
    process = launch(file, "-o", "stages.local.batch=3", "--out", tmp_path / "run")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    assert stderr.count("umi: stages.local.batch is 3, which 2 processes cannot share evenly") == 1
    assert stderr.count("exitcode  : 2 ") == 2
    assert "-o stages.local.batch=4" in stderr
    assert not (tmp_path / "run").exists()


@study
def test_a_signal_to_one_stops_both_and_they_go_on_to_the_same_adapters(
    both: tuple[Path, str, str], file: Path, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    process = launch(file, "--out", run.root)
    deadline = time.monotonic() + 240
    while not run.metrics("global").is_file() or len(steps_of(run.root, "global")) < 2:
        assert time.monotonic() < deadline and process.poll() is None, "it never trained"
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children()
    (other,) = (worker for worker in workers if worker.environ()["RANK"] == "1")
    other.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    assert stderr.count("stopping after this step") == 1
    (checkpoint,) = run.checkpoints("global").glob("checkpoint-*")
    reached = int(checkpoint.name.split("-")[1])
    assert reached < STEPS and len(steps_of(run.root, "global")) == reached
    names = {path.name for path in checkpoint.iterdir()}
    assert {"complete", "rng_state_0.pth", "rng_state_1.pth", "optimizer.pt"} <= names

    shutil.copytree(run.root, tmp_path / "by_one")
    _, stderr = launched("--resume", "--out", run.root)
    assert f"resumes at step {reached}\n" in stderr
    for job in JOBS:
        assert weights(run.root, job) == weights(both[0], job)
    notes = Notes()
    train(None, tmp_path / "by_one", resume=True, reporter=notes)
    assert any("(processes: 2 before, 1 now; dropout masks differ)" in t for t in notes.said)
    same_losses(tmp_path / "by_one", both[0], "global")


def test_blank_items_fill_up_without_a_part_in_the_loss() -> None:
    import torch

    rows = [
        Row(str(i), list(range(5 + i)), [0.0, 0.0, 1.0, 1.0, 1.0] + [1.0] * i, 2) for i in range(3)
    ]
    packs = make_packs(rows, length=1, seed=0)
    assert pad_to_multiple(packs, 1) == packs and pad_to_multiple(packs, 3) == packs
    (blank,) = pad_to_multiple(packs, 4)[3:]
    inputs = pack_inputs(blank)
    assert inputs["input_ids"].shape == (1, 5)
    assert inputs["shift_labels"].shape == (1, 0)  # what the trainer counts
    logits = torch.zeros(1, 0, 7, requires_grad=True)
    loss = weighted_loss(SimpleNamespace(logits=logits), inputs["labels"], torch.tensor(9))
    loss.backward()
    assert loss.item() == 0.0 and logits.grad is not None
    filled = pad_to_multiple(rows, 5)
    assert len(filled) == 5 and [row.trained for row in filled[3:]] == [0, 0]


def test_batches_are_shared_out_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.accumulation(6) == 6
    distributed.check_batches([("stages.global.batch", 7)])
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert distributed.accumulation(8) == 2 and distributed.accumulation(8, 2) == 1
    distributed.check_batches([("stages.global.batch", 8)], at_once=2)
    with pytest.raises(UserError, match=r"batch is 6, which 4 processes cannot .* 4 or 8 would do"):
        distributed.check_batches([("stages.global.batch", 6)])
    with pytest.raises(UserError, match=r"is 12, .* in micro-batches of 2 .* 8 or 16 would do"):
        distributed.check_batches([("stages.global.batch", 12)], at_once=2)


def test_several_processes_train_with_the_plain_backend(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("umi_lite.train.backends.has_gpu", lambda: True)
    assert choose(tiny_recipe(backend="auto")) == "unsloth"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert choose(tiny_recipe(backend="auto")) == "plain"
    with pytest.raises(UserError, match="2 processes need -o backend=plain"):
        choose(tiny_recipe(backend="unsloth"))


def test_the_example_for_fsdp_is_one_that_accelerate_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    example = Path(__file__).parents[2] / "examples" / "fsdp_qlora.yaml"
    arguments = ["--config_file", str(example), "-m", "umi_lite"]
    read, _, _ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    environment = prepare_multi_gpu_env(read)
    assert environment["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    for name in ("ACCELERATE_USE_FSDP", "FSDP_STATE_DICT_TYPE"):
        monkeypatch.setenv(name, environment[name])
    assert not distributed.is_sharded()  # one process
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert distributed.is_sharded() and distributed.device_map() is None
