"""llama-cpp-python built with CUDA for one card: the one that is here, or CUDA_ARCH's (89).

    python -m benchmarks.gpu.llama_cuda check                   (says in a line what is missing)
    python -m benchmarks.gpu.llama_cuda build [PIP ARGUMENTS]   (into this Python; 2 cores: an hour)

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

from parts import Stop

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
    toolkit = cublas_beside(nvcc)
    flags = [
        "-DGGML_CUDA=on",
        f"-DCMAKE_CUDA_ARCHITECTURES={_architecture(env)}",
        *library_flags(toolkit),
        *driver_flags(nvcc.parent.parent),
        # The packages' folder is on no loader's path.
        f"-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-rpath,{library_folder(toolkit)}",
    ]
    if toolkit != nvcc.parent.parent:
        flags.append(f"-DCMAKE_CUDA_FLAGS=-I{toolkit / 'include'}")
    told = {**env, "CUDACXX": str(nvcc), "CMAKE_ARGS": shlex.join(flags)}
    # nvcc's own profile looks into lib64, which the registry's packages do not have.
    told["LIBRARY_PATH"] = str(library_folder(toolkit))
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return subprocess.run(
        [*pip, "--force-reinstall", "--no-deps", *_what(env, more)], env=told
    ).returncode


def compiler(env: Mapping[str, str]) -> Path:
    """NVCC's, else the registry's packages' (CUDA 13 and later have it), else the system's.

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
    """Where the registry's CUDA packages stand in this Python; torch brings some of them."""
    return max(Path(sysconfig.get_path("purelib")).glob("nvidia/cu[0-9]*"), default=None)


def cublas_beside(nvcc: Path) -> Path:
    """The toolkit that holds cuBLAS: the compiler's own, else the registry's packages."""
    homes = [path.parent.parent for path in (nvcc, nvcc.resolve())]
    own = (home for home in homes if (home / "include/cublas_v2.h").exists())
    return next(own, packaged() or homes[0])


def library_folder(toolkit: Path) -> Path:
    """Where a toolkit's libraries are: the registry's packages have a lib alone."""
    wide = toolkit / "lib64"
    return wide if wide.is_dir() else toolkit / "lib"


def library_flags(toolkit: Path) -> list[str]:
    """Where a toolkit's libraries are, if under names that cmake does not look for.

    The registry's packages have lib/libcublas.so.13 alone; a toolkit of the system has a
    libcublas.so too, and cmake needs no help.
    """
    folder = toolkit / "lib"
    flags: list[str] = []
    for name in ("cudart", "cublas", "cublasLt"):
        versions = sorted(folder.glob(f"lib{name}.so.*"))
        if versions and not (folder / f"lib{name}.so").exists():
            flags.append(f"-DCUDA_{name}_LIBRARY={versions[-1]}")
    return flags


def driver_flags(toolkit: Path) -> list[str]:
    """llama.cpp's memory pool wants the driver's library: where it is, or to do without.

    A machine that only builds for another has no driver, and a driver often comes without the
    name that cmake looks for (libcuda.so).
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
    # A wheel in pip's cache may be one for the CPU, and this one must not get there.
    return ["--no-cache-dir", "--no-binary", "llama-cpp-python", *more, tested]


def _architecture(env: Mapping[str, str]) -> str:
    return env.get("CUDA_ARCH") or "native"


if __name__ == "__main__":
    sys.exit(main())
