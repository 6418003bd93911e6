"""What a user gets wrong: one line on stderr, exit code 2, no traceback."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

UMI = str(Path(sys.executable).parent / "umi")


def umi(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([UMI, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd)


def one_line(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def recipe(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_unknown_keys_are_all_told_with_a_suggestion(tmp_path: Path) -> None:
    text = (
        "name: mine\ndata: [{source: toolworld, n: 8}]\n"
        "stages: {global: {learning_rat: 1e-4}}\nlora: {rank: 8, alfa: 16}\n"
    )
    done = umi("train", recipe(tmp_path, text), "--dry-run")
    one_line(done, "learning_rat", "did you mean", "alfa", "rank")


def test_an_override_is_checked_as_the_file_is(tmp_path: Path) -> None:
    path = recipe(tmp_path, "name: mine\ndata: [{source: toolworld, n: 8}]\n")
    one_line(umi("train", path, "--dry-run", "-o", "stages.global.learning_rate=-1"), "rate")
    done = umi("train", path, "--dry-run", "-o", "stages.global.learning_rate=1e-4")
    assert done.returncode == 0
    assert "rate 0.0001" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("train", "no-such-recipe"), "no-such-recipe"),
        (("run", "hello", "--bundle", "nowhere"), "nowhere"),
        (("trace", "show", "nowhere.json"), "nowhere.json"),
        (("data", "render", "toolbench", "--path", "nowhere.json"), "nowhere.json"),
        (("data", "render", "nosource"), "toolworld"),
        (("export", "nowhere"), "nowhere"),
        (("eval", "toolworld", "--split", "ood", "-n", "5", "--bundle", "nowhere"), "nowhere"),
        (("eval", "gsm8k", "--path", "nowhere.jsonl", "-n", "5"), "nowhere.jsonl"),
        (("data", "bootstrap", "toolworld", "--split", "test", "--out", "x.jsonl"), "held out"),
        (("eval", "judge", "pass", "--traces", "x", "--endpoint", "y", "--out", "z"), "#MODEL"),
        (("eval", "static", "--gold", "nowhere.json", "--predictions", "p"), "nowhere.json"),
    ],
)
def test_what_is_missing_is_named(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    one_line(umi(*arguments, cwd=tmp_path), word)


def test_interrupted_training_says_so_and_exits_130(tmp_path: Path) -> None:
    text = "name: mine\nbase: {gguf: embedded}\ndata: [{source: toolworld, n: 60}]\n"
    text += "packed_length: 256\nstages: {global: {batch: 1}}\n"
    process = subprocess.Popen(
        [UMI, "train", recipe(tmp_path, text), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A background job of a script ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert any("step 1/" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr


def test_rendered_samples_are_json_lines() -> None:
    done = umi("data", "render", "toolworld", "--n", "3", "--role", "caller", "--jsonl")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        sample = json.loads(line)
        assert sample.keys() == {"prompt", "ids", "mask"}
        assert len(sample["ids"]) == len(sample["mask"])
        assert 0 < sum(sample["mask"]) < len(sample["mask"])


def test_help_is_quick_enough_to_be_used() -> None:
    """Not a timing: nothing heavy may be imported for it."""
    code = "import sys; from umi_lite.cli import app; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
