#!/bin/sh
# llama-cpp-python built with CUDA for one architecture, the card's that is here (CUDA_ARCH names another).
#
#   sh benchmarks/gpu/llama_cuda.sh PYTHON [PIP ARGUMENTS]
#
# The arguments are what pip is to install, where it is not the tested version from the registry:
# without a network a source folder, with --no-build-isolation --no-index and --target.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nvcc=$(sh "$here/cuda_here.sh")
python=$1
shift
# A wheel in pip's cache may be one for the CPU, and this one must not get there.
[ $# -gt 0 ] || set -- --no-cache-dir --no-binary llama-cpp-python \
    "$(grep '^llama-cpp-python==' "$here/../../constraints.txt")"
CUDACXX=$nvcc CMAKE_ARGS="-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=${CUDA_ARCH:-native}" \
    exec "$python" -m pip install --disable-pip-version-check --force-reinstall --no-deps "$@"
