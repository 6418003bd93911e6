"""What prefill of one role during another's turn could gain: `python -m benchmarks.overlap BUNDLE`.

The planner generates 40 tokens and the caller evaluates 150 new ones: one after the other on all
threads, and concurrently on half of them each. The ratio of the two bounds what reading ahead could
gain. Evaluation in chunks of 8, as a thought is written, is measured too. The last line is JSON.
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import ratio, show
from umi_lite.bundle.bundle import load_bundle
from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import cores

SPOKEN, READ, ROUNDS = 40, 150, 7


def main() -> None:
    bundle = load_bundle(Path(sys.argv[1]))
    threads = cores()
    model = Model(bundle.base)
    adapters = {view: model.adapter(bundle.adapters[view]) for view in ("planner", "caller")}

    def contexts(share: int) -> tuple[Context, Context]:
        made = [
            Context(model, adapter, n_ctx=1024, slots=1, threads=share, n_batch=512)
            for adapter in adapters.values()
        ]
        for context in made:
            read(context, 0, 400, 400)
        return made[0], made[1]

    whole, half = contexts(threads), contexts(max(1, threads // 2))

    def in_turn() -> None:
        speak(whole[0])
        read(whole[1], 400, READ, READ)

    def in_turn_as_written() -> None:
        speak(whole[0])
        read(whole[1], 400, READ, 8)

    def at_once() -> None:
        reader = threading.Thread(target=read, args=(half[1], 400, READ, READ))
        reader.start()
        speak(half[0])
        reader.join()

    ways: dict[str, Callable[[], None]] = {
        "in turn, all threads": in_turn,
        "at once, half the threads each": at_once,
        "in turn, read in stretches of 8": in_turn_as_written,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            for context in (*whole, *half):
                context.cut(0, 400)
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    rows = {name: {"seconds": round(statistics.median(s), 3)} for name, s in seconds.items()}
    first = rows["in turn, all threads"]["seconds"]
    ratios = {
        f"{name}/in turn": ratio(row["seconds"], first) for name, row in list(rows.items())[1:]
    }
    show(f"{SPOKEN} tokens spoken, {READ} read", rows, ratios, threads)


def speak(context: Context) -> None:
    for i in range(SPOKEN):
        context.decode([(1000 + i, 400 + i, 0, True)])


def read(context: Context, start: int, count: int, stretch: int) -> None:
    for first in range(0, count, stretch):
        size = min(stretch, count - first)
        context.decode(
            [(2000 + first + i, start + first + i, 0, i == size - 1) for i in range(size)]
        )


if __name__ == "__main__":
    main()
