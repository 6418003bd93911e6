"""The wheel holds all that the commands need: it is built, installed elsewhere, and used there."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_lora import write_adapter

from umi_lite.bundle.bundle import write_bundle
from umi_lite.protocol.trajectory import ROLES

ROOT = Path(__file__).resolve().parent.parent
# What setuptools reads. It is built in a copy: a build/ folder left in the tree holds old files.
SOURCES = ("umi_lite", "pyproject.toml", "README.md", "LICENSE")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout. pip asks the registry for setuptools, as users' pip does."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    pip("wheel", "--no-deps", "--wheel-dir", out, copy)
    (made,) = out.glob("umi_lite-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of an environment that has the wheel, in an empty folder.

    The dependencies are those of the environment that runs the tests: its folder is added by a
    `.pth` file, after the wheel. Python reads no `.pth` file of a folder added in this way, so
    the editable install of the checkout, which is one, is not found.
    """
    home = tmp_path_factory.mktemp("elsewhere")
    venv, work = home / "venv", home / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip("--python", venv / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UMI_"))}
    environment |= {"UMI_LITE_CACHE": str(home / "cache"), "UMI_LITE_DATA": str(home / "data")}
    environment |= {"COLUMNS": "100"}

    def run(program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [str(venv / "bin" / program), *map(str, arguments)]
        return subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_the_package_is_the_wheels_and_imports_no_torch(installed: Run) -> None:
    code = (
        "from umi_lite import Agent, tool\n"
        "import sys, umi_lite\n"
        "assert 'torch' not in sys.modules\n"
        "print(umi_lite.__file__)"
    )
    done = installed("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "/elsewhere" in done.stdout and str(ROOT) not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--help",), "quickstart"),
        (("recipes", "ls"), "toolworld/smollm2-135m"),
        (("recipes", "show", "toolworld/smollm2-135m", "--resolved"), "learning_rate:"),
        (("data", "ls"), "toolworld"),
        (("data", "preview", "toolworld/smollm2-135m", "-n", "1"), "planner"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_finds_the_data_of_the_package(
    arguments: tuple[str, ...], expected: str, installed: Run
) -> None:
    done = installed("umi", *arguments)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_every_data_file_of_the_package_is_in_the_wheel(installed: Run) -> None:
    """Templates and report pages, which only training and `umi reproduce` read."""
    code = (
        "from pathlib import Path\nimport umi_lite\nroot = Path(umi_lite.__file__).parent\n"
        "print(*(p.relative_to(root).as_posix() for p in root.rglob('*') if p.is_file()))"
    )
    found = set(installed("python", "-c", code).stdout.split())
    package = ROOT / "umi_lite"
    files = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()}
    missing = {name for name in files - found if "__pycache__" not in name}
    assert not missing


def test_a_bundle_runs(installed: Run, base_gguf: Path, tmp_path: Path) -> None:
    adapters = {
        role: write_adapter(tmp_path / f"{role}.gguf", seed=seed) for seed, role in enumerate(ROLES)
    }
    bundle = tmp_path / "bundle"
    write_bundle(bundle, base_gguf=base_gguf, adapters=adapters, tools="toolworld")
    bounds = ("--max-thought-tokens", "8", "--max-call-tokens", "8", "--max-answer-tokens", "8")
    done = installed("umi", "run", "What is the price of a lamp?", "--json", "-b", bundle, *bounds)
    # Random adapters seldom come to an answer; an episode without one ends with status 1.
    assert done.returncode in (0, 1), done.stderr
    made = json.loads(done.stdout)
    shown = installed("umi", "trace", "show", made["trace"])
    assert shown.returncode == 0 and "What is the price of a lamp?" in shown.stdout, shown
