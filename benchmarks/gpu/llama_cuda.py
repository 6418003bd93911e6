"""llama-cpp-python built with CUDA for one card: the one that is here, or CUDA_ARCH's (89).

    python benchmarks/gpu/llama_cuda.py check                   (says in a line what is missing)
    python benchmarks/gpu/llama_cuda.py build [PIP ARGUMENTS]   (into this Python; 2 cores: an hour)

The compiler is NVCC's, or else the one of the registry's CUDA packages in this Python, or else the
system's. llama-cpp-python is the tested version from the registry; LLAMA_SOURCE names its unpacked
source instead, and then nothing is fetched (scikit-build-core, cmake and ninja have to be there).
It needs nothing but Python.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SYSTEM = "/usr/local/cuda/bin/nvcc"
_FOUND_BY_NVCC = ("cudart", "cublas", "cublasLt")


class Stop(Exception):
    """Nothing can be built, and why."""


def main() -> int:
    try:
        match sys.argv[1:]:
            case ["check"]:
                check(os.environ)
            case ["build", *more]:
                check(os.environ)
                return build(more, os.environ)
            case _:
                raise Stop("check or build [PIP ARGUMENTS] is expected")
    except Stop as err:
        print(f"GPU=1 {err}", file=sys.stderr)
        return 2
    return 0


def check(env: Mapping[str, str]) -> None:
    """Whatever can be known to be missing before gigabytes are fetched.

    Raises:
        Stop: there is no card to build for, or NVCC is no compiler.
    """
    named = env.get("NVCC")
    if named and not shutil.which(named):
        raise Stop(f"needs a compiler, and NVCC={named} is none: leave it out, or name one")
    if _architecture(env) != "native":
        return
    try:
        seen = subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0
    except OSError:
        seen = False
    if not seen:
        raise Stop(
            "needs an NVIDIA driver and card (nvidia-smi fails here); "
            "to build for another machine's card name it: CUDA_ARCH=89"
        )


def build(more: list[str], env: Mapping[str, str]) -> int:
    """Let pip build and install it; returns pip's exit status.

    Raises:
        Stop: no compiler is found.
    """
    nvcc = compiler(env)
    libraries = libraries_beside(nvcc)
    flags = [
        "-DGGML_CUDA=on",
        f"-DCMAKE_CUDA_ARCHITECTURES={_architecture(env)}",
        *(f"-DCUDA_{name}_LIBRARY={path}" for name, path in libraries.items()),
        *driver_flags(nvcc),
    ]
    told = {**env, "CUDACXX": str(nvcc), "CMAKE_ARGS": shlex.join(flags)}
    if libraries:
        # nvcc's own profile looks into lib64, which the packages do not have.
        told["LIBRARY_PATH"] = str(next(iter(libraries.values())).parent)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return subprocess.run(
        [*pip, "--force-reinstall", "--no-deps", *_what(env, more)], env=told
    ).returncode


def compiler(env: Mapping[str, str]) -> Path:
    """NVCC's, else the registry's packages' (CUDA 13 and later have it), else the system's.

    Raises:
        Stop: there is none.
    """
    packages = sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/cu*/bin/nvcc"))
    for candidate in (env.get("NVCC"), *map(str, packages[-1:]), "nvcc", _SYSTEM):
        found = shutil.which(candidate) if candidate else None
        if found:
            return Path(found)
    raise Stop(
        "needs nvcc: pip install 'cuda-toolkit[nvcc,nvvm,crt,cccl,cublas,cudart]', or NVCC=PATH"
    )


def libraries_beside(nvcc: Path) -> dict[str, Path]:
    """What a toolkit from the registry holds under names that cmake does not look for.

    Its libraries are called libcublas.so.13 alone, and stand in lib; a toolkit of the system has
    libcublas.so, and cmake needs no help.
    """
    found: dict[str, Path] = {}
    for name in _FOUND_BY_NVCC:
        folder = nvcc.parent.parent / "lib"
        versions = sorted(folder.glob(f"lib{name}.so.*"))
        if versions and not (folder / f"lib{name}.so").exists():
            found[name] = versions[-1]
    return found


def driver_flags(nvcc: Path) -> list[str]:
    """llama.cpp's memory pool wants the driver's library: where it is, or to do without.

    A machine that only builds for another has no driver, and a driver often comes without the
    name that cmake looks for (libcuda.so).
    """
    if any(
        (nvcc.parent.parent / place / "stubs/libcuda.so").exists() for place in ("lib64", "lib")
    ):
        return []
    for ldconfig in ("ldconfig", "/sbin/ldconfig"):
        if shutil.which(ldconfig):
            listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
            found = re.search(r"libcuda\.so(?:\.1)? .*x86-64.* => (\S+)", listed)
            if found:
                return [f"-DCUDA_cuda_driver_LIBRARY={found[1]}"]
    return ["-DGGML_CUDA_NO_VMM=on"]


def _what(env: Mapping[str, str], more: list[str]) -> list[str]:
    source = env.get("LLAMA_SOURCE")
    if source:
        return ["--no-index", "--no-build-isolation", *more, source]
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    tested = next(line for line in constraints if line.startswith("llama-cpp-python=="))
    # A wheel in pip's cache may be one for the CPU, and this one must not get there.
    return ["--no-cache-dir", "--no-binary", "llama-cpp-python", *more, tested]


def _architecture(env: Mapping[str, str]) -> str:
    return env.get("CUDA_ARCH") or "native"


if __name__ == "__main__":
    sys.exit(main())
