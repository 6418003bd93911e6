"""The cost of not rearranging quantised weights in memory (UMI_REPACK=0).

    python -m benchmarks.repack [GGUF...] [--rounds 5]

Default: the embedded model as Q4_1, Q4_0, Q8_0 and Q4_K_M. Each measurement has its own
process; both ways alternate; a ratio is the median of the rounds' ratios. The last line is JSON.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

READ, WRITTEN = 384, 48
PARTS = ("load s", "prefill ms/token", "decode ms/token", "peak PSS MB")


def measure(gguf: str) -> dict[str, float]:
    """Load a model, evaluate READ tokens and generate WRITTEN, in this process."""
    from umi_lite.engine.context import Context
    from umi_lite.engine.llama import Model
    from umi_lite.engine.machine import cores

    began = time.perf_counter()
    with closing(Model(Path(gguf))) as model:
        loaded = time.perf_counter()
        options = {"n_ctx": 512, "slots": 1, "threads": cores(), "n_batch": READ}
        with closing(Context(model, None, **options)) as context:
            ids = [i * 97 % model.n_vocab for i in range(READ)]
            entries = [(token, i, 0, i == READ - 1) for i, token in enumerate(ids)]
            context.decode(entries[:32])  # the first batch makes buffers
            context.cut(0, 0)
            started = time.perf_counter()
            context.decode(entries)
            read = time.perf_counter()
            for i in range(WRITTEN):
                context.decode([(ids[i], READ + i, 0, True)])
            ended = time.perf_counter()
            rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()
    pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    values = loaded - began, (read - started) * 1e3 / READ, (ended - read) * 1e3 / WRITTEN
    return dict(zip(PARTS, (*values, pss / 1024), strict=True))


def child(gguf: Path, choice: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", str(gguf)]
    done = subprocess.run(
        command, env=os.environ | {"UMI_REPACK": choice}, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def embedded_types(folder: Path) -> list[Path]:
    """Return the embedded model and its copies in other types."""
    from umi_lite.engine.library import library
    from umi_lite.weights.embedded import embedded_gguf

    lib = library()
    made = [embedded_gguf()]
    for name in ("Q4_0", "Q8_0", "Q4_K_M"):
        made.append(folder / f"{name}.gguf")
        params = lib.llama_model_quantize_default_params()
        params.ftype, params.allow_requantize = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{name}"), True
        files = (os.fsencode(made[0]), os.fsencode(made[-1]))
        if lib.llama_model_quantize(*files, ctypes.byref(params)):
            raise SystemExit(f"llama.cpp could not make {name}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    from benchmarks.report import show
    from umi_lite.engine.machine import cores, features, may_repack

    if not may_repack(features()):
        raise SystemExit("with AMX, rearranged weights crash the process: nothing to compare")
    with tempfile.TemporaryDirectory() as folder:
        files = given.gguf or embedded_types(Path(folder))
        rows, ratios = {}, {}
        for gguf in files:
            name = gguf.stem
            runs = [{choice: child(gguf, choice) for choice in "10"} for _ in range(given.rounds)]
            for choice, how in (("1", "rearranged"), ("0", "as the file has them")):
                rows[f"{name}, {how}"] = {
                    part: round(statistics.median(run[choice][part] for run in runs), 2)
                    for part in PARTS
                }
            for part in PARTS:
                each = [run["0"][part] / run["1"][part] for run in runs]
                ratios[f"{name}, {part}: as the file/rearranged"] = round(
                    statistics.median(each), 3
                )
    show(f"weights as the file has them, medians of {given.rounds}", rows, ratios, cores())


if __name__ == "__main__":
    main()
