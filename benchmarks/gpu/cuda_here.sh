#!/bin/sh
# The path of nvcc where llama.cpp can be built with CUDA, else one line that says what is missing.
#
#   sh benchmarks/gpu/cuda_here.sh        (NVCC names another compiler, CUDA_ARCH another card: 89)
set -eu
nvcc=${NVCC:-$(command -v nvcc || true)}
if [ -z "$nvcc" ] && [ -x /usr/local/cuda/bin/nvcc ]; then
    nvcc=/usr/local/cuda/bin/nvcc
fi
if [ -z "$nvcc" ] || ! command -v "$nvcc" >/dev/null; then
    echo "GPU=1 needs nvcc (the CUDA toolkit), and ${nvcc:-it} is not here: install it, or name it with NVCC=/path/to/nvcc" >&2
    exit 2
fi
if [ "${CUDA_ARCH:-native}" = native ] && ! nvidia-smi >/dev/null 2>&1; then
    echo "GPU=1 needs an NVIDIA driver and card (nvidia-smi fails here); to build for another machine's card name it: CUDA_ARCH=89" >&2
    exit 2
fi
echo "$nvcc"
