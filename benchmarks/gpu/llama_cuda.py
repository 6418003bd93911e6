"""Build llama-cpp-python with CUDA for one card: this machine's, or that of CUDA_ARCH (e.g. 89).

    python -m benchmarks.gpu.llama_cuda check                   (prints what is missing)
    python -m benchmarks.gpu.llama_cuda build [PIP ARGUMENTS]   (into this Python; 2 cores: an hour)

The compiler is $NVCC, else that of the registry's CUDA packages in this Python, else the system's.
llama-cpp-python is the tested version from the registry. If LLAMA_SOURCE is the folder of its
unpacked source, nothing is downloaded (scikit-build-core, cmake and ninja must be installed).
Only the standard library is imported.
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

from benchmarks.gpu.parts import Stop

ROOT = Path(__file__).parents[2]
_SYSTEM = "/usr/local/cuda/bin/nvcc"


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
    """Check what can be checked before gigabytes are downloaded.

    Raises:
        Stop: no card to build for is found, or NVCC is not a program.
    """
    named = env.get("NVCC")
    if named and not shutil.which(named):
        raise Stop(f"needs a compiler, and NVCC={named} is not a program: unset it or correct it")
    if _architecture(env) != "native":
        return
    try:
        seen = subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0
    except OSError:
        seen = False
    if not seen:
        raise Stop(
            "needs an NVIDIA driver and card (nvidia-smi fails here); "
            "to build for a card of another machine set its architecture: CUDA_ARCH=89"
        )


def build(more: list[str], env: Mapping[str, str]) -> int:
    """Let pip build and install it; return pip's exit status.

    Raises:
        Stop: no compiler is found.
    """
    nvcc = compiler(env)
    toolkit = cublas_toolkit(nvcc)
    flags = [
        "-DGGML_CUDA=on",
        f"-DCMAKE_CUDA_ARCHITECTURES={_architecture(env)}",
        *library_flags(toolkit),
        *driver_flags(nvcc.parent.parent),
        # The loader does not search the folder of the packages.
        f"-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-rpath,{library_folder(toolkit)}",
    ]
    if toolkit != nvcc.parent.parent:
        flags.append(f"-DCMAKE_CUDA_FLAGS=-I{toolkit / 'include'}")
    environment = {**env, "CUDACXX": str(nvcc), "CMAKE_ARGS": shlex.join(flags)}
    # nvcc's own profile searches lib64, which the registry's packages do not have.
    environment["LIBRARY_PATH"] = str(library_folder(toolkit))
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return subprocess.run(
        [*pip, "--force-reinstall", "--no-deps", *_what(env, more)], env=environment
    ).returncode


def compiler(env: Mapping[str, str]) -> Path:
    """Return $NVCC, else nvcc of the registry's packages (CUDA 13 and later), else the system's.

    Raises:
        Stop: there is none.
    """
    packages = packaged()
    own = [str(packages / "bin/nvcc")] if packages else []
    for candidate in (env.get("NVCC"), *own, "nvcc", _SYSTEM):
        found = shutil.which(candidate) if candidate else None
        if found:
            return Path(found)
    raise Stop(
        "needs nvcc: pip install 'cuda-toolkit[nvcc,nvvm,crt,cccl,cublas,cudart]', or NVCC=PATH"
    )


def packaged() -> Path | None:
    """Return the folder of the registry's CUDA packages in this Python; torch installs some."""
    return max(Path(sysconfig.get_path("purelib")).glob("nvidia/cu[0-9]*"), default=None)


def cublas_toolkit(nvcc: Path) -> Path:
    """Return the toolkit that has cuBLAS: the compiler's own, else the registry's packages."""
    homes = [path.parent.parent for path in (nvcc, nvcc.resolve())]
    own = (home for home in homes if (home / "include/cublas_v2.h").exists())
    return next(own, packaged() or homes[0])


def library_folder(toolkit: Path) -> Path:
    """Return the folder of a toolkit's libraries: the registry's packages have only lib."""
    wide = toolkit / "lib64"
    return wide if wide.is_dir() else toolkit / "lib"


def library_flags(toolkit: Path) -> list[str]:
    """Return cmake flags for libraries whose names cmake does not search for.

    The registry's packages have only lib/libcublas.so.13; a system toolkit has a libcublas.so
    too and needs no flags.
    """
    folder = toolkit / "lib"
    flags: list[str] = []
    for name in ("cudart", "cublas", "cublasLt"):
        versions = sorted(folder.glob(f"lib{name}.so.*"))
        if versions and not (folder / f"lib{name}.so").exists():
            flags.append(f"-DCUDA_{name}_LIBRARY={versions[-1]}")
    return flags


def driver_flags(toolkit: Path) -> list[str]:
    """Return cmake flags with the driver's library for llama.cpp's memory pool, or without it.

    A machine that builds for another one has no driver, and many drivers lack the name that
    cmake searches for (libcuda.so).
    """
    if any((toolkit / place / "stubs/libcuda.so").exists() for place in ("lib64", "lib")):
        return []
    ldconfig = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if ldconfig is not None:
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
    # A wheel in pip's cache may be a CPU build, and this build must not be cached.
    return ["--no-cache-dir", "--no-binary", "llama-cpp-python", *more, tested]


def _architecture(env: Mapping[str, str]) -> str:
    return env.get("CUDA_ARCH") or "native"


if __name__ == "__main__":
    sys.exit(main())
