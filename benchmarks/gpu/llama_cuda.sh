#!/bin/sh
# llama-cpp-python built with CUDA for one architecture, the card's that is here (CUDA_ARCH names another).
#
#   sh benchmarks/gpu/llama_cuda.sh PYTHON [PIP ARGUMENTS]
#
# It is the tested version from the registry; LLAMA_SOURCE names its unpacked source instead, and then
# nothing is fetched (scikit-build-core, cmake and ninja have to be there).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nvcc=$(sh "$here/cuda_here.sh")
python=$1
shift
if [ -n "${LLAMA_SOURCE:-}" ]; then
    set -- --no-index --no-build-isolation "$@" "$LLAMA_SOURCE"
else
    # A wheel in pip's cache may be one for the CPU, and this one must not get there.
    set -- --no-cache-dir --no-binary llama-cpp-python "$@" \
        "$(grep '^llama-cpp-python==' "$here/../../constraints.txt")"
fi
CUDACXX=$nvcc CMAKE_ARGS="-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=${CUDA_ARCH:-native}" \
    exec "$python" -m pip install --disable-pip-version-check --force-reinstall --no-deps "$@"
