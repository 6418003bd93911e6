#!/bin/sh
# llama-server from the very llama.cpp tree that llama-cpp-python was built from.
#
#   sh benchmarks/llama_server.sh [FOLDER]     (10 minutes on two cores; prints the program's path)
#
# The source archive of llama-cpp-python holds the whole tree, so only the package registry is asked.
set -eu
folder=${1:-runs/llama-server}
here=$(cd "$(dirname "$0")/.." && pwd)
python=$here/.venv/bin/python
version=$("$python" -c "from importlib.metadata import version; print(version('llama-cpp-python'))")
mkdir -p "$folder"
cd "$folder"
if [ ! -d source ]; then
    "$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
        "llama-cpp-python==$version" --dest .
    mkdir source.part
    tar xzf "llama_cpp_python-$version.tar.gz" --strip-components=1 -C source.part
    mv source.part source
fi
cmake -S source/vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF \
    -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF >cmake.log
cmake --build build --target llama-server --parallel "$(nproc)" >>cmake.log
echo "$PWD/build/bin/llama-server"
