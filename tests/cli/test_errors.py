"""What a user gets wrong: one line on stderr, exit code 2, no traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

UMI = str(Path(sys.executable).parent / "umi")


def umi(
    *arguments: str | bytes, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [UMI, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=120,
        cwd=cwd,
        env=os.environ | environment,
    )


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


def test_a_file_that_refuses_is_named_in_one_line(tmp_path: Path) -> None:
    """Whatever command it is, and whatever the kernel says."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "file").write_text("")
    long = "x" * 300
    for arguments, *words in (
        (("run", "hello", "--bundle", long), f"{long}", "File name too long"),
        (("trace", "show", "loop"), "loop", "symbolic links"),
        (("trace", "show", "gone"), "gone", "No such file"),
        (("trace", "show", "."), "Is a directory"),
        (("trace", "show", "/proc/self/mem"), "/proc/self/mem", "Input/output error"),
        (("run", "hello", "--bundle", "file"), "file", "not a bundle"),
        (("data", "render", "gsm8k", "--path", long), "File name too long"),
        (("data", "render", "traces", "--path", long), "File name too long"),
    ):
        one_line(umi(*arguments, cwd=tmp_path), *words)


CODE = """
import sys
from umi_lite.cli import app, main

def broken(*_, **__):
    raise {error}

app.app = broken
sys.argv = ["umi"]
main()
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ('PermissionError(13, "Permission denied", "/data/x")', "/data/x: Permission denied"),
        ('PermissionError(13, "Denied", b"/data/\\xff")', r"/data/\udcff: Denied"),
        ('OSError(30, "Read-only file system", "a", None, "b")', "a -> b: Read-only file system"),
        ('OSError(122, "Disk quota exceeded")', "no space left on the disk for the output"),
        ('UserError("x: \\x1b[2J\\u202e")', r"x: \x1b[2J\u202e"),
    ],
)
def test_an_error_of_the_system_is_a_line(error: str, line: str) -> None:
    code = "from umi_lite.errors import UserError" + CODE.format(error=error)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr[: len(line) + 5]) == (2, f"umi: {line}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    ['OSError("no file is named")', 'FileNotFoundError(2, "No such file", app.__file__ + "x")'],
)
def test_a_fault_of_this_program_keeps_its_traceback(error: str) -> None:
    code = CODE.format(error=error)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_note_is_a_line() -> None:
    error = 'SystemExit(warnings.warn("the cache\\x1b is full", Note))'
    code = "import warnings\nfrom umi_lite.errors import Note" + CODE.format(error=error)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "umi: the cache\\x1b is full\n")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "ascii:strict", "latin-1"])
def test_what_stdout_cannot_hold_is_written_out(tmp_path: Path, encoding: str) -> None:
    task = {"id": "a", "source": "run", "instruction": "Grüße \x1b[1m nach 東京 🗼"}
    trace = {"trajectory": task | {"tools": []}, "stop": "give_up"}
    (tmp_path / "t.json").write_text(json.dumps(trace))
    shown = umi("trace", "show", "t.json", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert {
        "utf-8": r"Grüße \x1b[1m nach 東京 🗼",
        "ascii": r"Gr\xfc\xdfe \x1b[1m nach \u6771\u4eac \U0001f5fc",
        "latin-1": "Gr\udcfc\udcdfe \\x1b[1m nach \\u6771\\u4eac \\U0001f5fc",
    }[encoding.partition(":")[0]] in shown.stdout
    told = umi("trace", "show", "t.json", "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert json.loads(told.stdout)["trajectory"]["instruction"] == task["instruction"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("trace", "show", b"/nowhere/\xff.json"),
        ("run", "hello", "--bundle", b"/nowhere/\xff"),
        ("eval", "gsm8k", "--path", b"/nowhere/\xff"),
        ("train", b"\xff.yaml"),
        ("export", b"/nowhere/\xff"),
    ],
)
def test_an_argument_that_is_not_utf8_is_named_in_one_line(arguments: tuple, encoding: str) -> None:
    one_line(umi(*arguments, PYTHONIOENCODING=encoding), r"\udcff")


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
