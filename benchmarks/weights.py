"""Speed of a role's weights by type, with the adapter applied at run time or merged.

    python -m benchmarks.weights runs/quickstart/bundle        (2 minutes on two cores)

For each type the bundle's base is requantized, then timed without an adapter, with the planner's
adapter, and with that adapter merged: one sequence, batches of 8 and 24 (one token each), and a
prefill of 4 x 64 tokens. Set-ups alternate; figures are medians. The last line is JSON.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.report import show
from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.merge import merge
from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import cores
from umi_lite.weights.gguf_to_hf import GgufType
from umi_lite.weights.quantize import requantize

TYPES: tuple[GgufType, ...] = ("F16", "Q8_0")
SEQUENCES = 24
SHAPES = {"1 x 1": (1, 1), "8 x 1": (8, 1), "24 x 1": (24, 1), "4 x 64": (4, 64)}
Timer = Callable[[int, int], float]


def timer(context: Context) -> Timer:
    """Return a function that measures tokens/s by (sequences, tokens of each per batch).

    Every sequence already holds 192 tokens.
    """
    chance = random.Random(0)

    def batch(sequences: int, length: int, at: int) -> list[tuple[int, int, int, bool]]:
        return [
            (chance.randrange(1000, 20000), at + i, sequence, i == length - 1)
            for sequence in range(sequences)
            for i in range(length)
        ]

    for sequence in range(SEQUENCES):
        context.decode([(t, p, sequence, last) for t, p, _, last in batch(1, 192, 0)])

    def run(sequences: int, length: int) -> float:
        rounds = max(2, 96 // (sequences * length))
        started = time.perf_counter()
        for i in range(rounds):
            context.decode(batch(sequences, length, 192 + i * length))
        seconds = time.perf_counter() - started
        for sequence in range(sequences):
            context.cut(sequence, 192)
        return sequences * length * rounds / seconds

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    lora = bundle.adapters["planner"]
    threads = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        timers: dict[str, Timer] = {}
        for kind in TYPES:
            base = folder / f"{kind}.gguf"
            requantize(bundle.base, base, kind)
            merge(base, lora, folder / f"{kind}-merged.gguf")
            forms = {"bare": (base, None), "adapter": (base, lora)}
            forms["merged"] = (folder / f"{kind}-merged.gguf", None)
            for form, (path, adapter) in forms.items():
                model = stack.enter_context(closing(Model(path)))
                context = Context(
                    model,
                    model.adapter(adapter) if adapter else None,
                    n_ctx=512,
                    slots=SEQUENCES,
                    threads=threads,
                    n_batch=512,
                )
                timers[f"{kind} {form}"] = timer(stack.enter_context(closing(context)))
        speeds: dict[str, dict[str, list[float]]] = {
            name: {shape: [] for shape in SHAPES} for name in timers
        }
        for _ in range(given.rounds):
            for shape, sizes in SHAPES.items():
                for name, run in timers.items():
                    speeds[name][shape].append(run(*sizes))
    setups = {n: {s: statistics.median(v) for s, v in by.items()} for n, by in speeds.items()}
    ratios = {
        f"{kind} merged/adapter, {shape}": round(
            setups[f"{kind} merged"][shape] / setups[f"{kind} adapter"][shape], 2
        )
        for kind in TYPES
        for shape in SHAPES
    }
    rounded = {n: {s: round(v) for s, v in by.items()} for n, by in setups.items()}
    show("tokens/s", rounded, ratios, threads)


if __name__ == "__main__":
    main()
