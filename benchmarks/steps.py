"""What bounds concurrent episodes: `python -m benchmarks.steps BUNDLE`.

Times one evaluation of the planner with its adapter: several turns with one, two and four tokens
each (tokens after the first would be drafts), and turns of two roles, one role after the other on
all threads or concurrently on half of them each. Caches hold 400 tokens per turn. The last line is
JSON.
"""

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.report import ratio, show
from umi_lite.bundle.bundle import load_bundle
from umi_lite.engine.context import Context
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import cores

TURNS, WIDTHS, HELD, ROUNDS = (1, 2, 4, 6, 8), (1, 2, 4), 400, 15


def main() -> None:
    bundle = load_bundle(Path(sys.argv[1]))
    threads = cores()
    model = Model(bundle.base)
    adapters = [model.adapter(bundle.adapters[view]) for view in ("planner", "caller")]

    def contexts(share: int) -> list[Context]:
        made = [
            Context(model, adapter, n_ctx=512, slots=max(TURNS), threads=share, n_batch=512)
            for adapter in adapters
        ]
        for context in made:
            for turn in range(max(TURNS)):
                context.decode([(1000 + i, i, turn, False) for i in range(HELD)])
        return made

    whole, half = contexts(threads), contexts(max(1, threads // 2))
    with ThreadPoolExecutor(2) as helpers:

        def in_turn(turns: int) -> None:
            for context in whole:
                step(context, turns, 1)

        def at_once(turns: int) -> None:
            for future in [helpers.submit(step, context, turns, 1) for context in half]:
                future.result()

        ways: dict[str, tuple[int, Callable[[], None]]] = {}
        for turns in TURNS:
            for width in WIDTHS:
                name = f"{turns} x {width}"
                ways[name] = (turns * width, partial(step, whole[0], turns, width))
            name = f"two roles, {turns} x 1 each"
            ways[f"{name}, in turn"] = (2 * turns, partial(in_turn, turns))
            ways[f"{name}, at once"] = (2 * turns, partial(at_once, turns))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (_, way) in ways.items():
                started = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - started)
                for context in (*whole, *half):
                    for turn in range(max(TURNS)):
                        context.cut(turn, HELD)
    rows = {
        name: {"ms": round(1000 * s, 1), "ms/token": round(1000 * s / ways[name][0], 1)}
        for name, s in ((name, statistics.median(made)) for name, made in seconds.items())
    }
    ratios: dict[str, float | None] = {}
    for turns in TURNS:
        pair = f"two roles, {turns} x 1 each"
        ratios[f"{pair}, at once/in turn"] = ratio(
            rows[f"{pair}, at once"]["ms"], rows[f"{pair}, in turn"]["ms"]
        )
        ratios |= {
            f"{turns} x {width}/{turns} x 1": ratio(
                rows[f"{turns} x {width}"]["ms"], rows[f"{turns} x 1"]["ms"]
            )
            for width in WIDTHS[1:]
        }
    show("turns x tokens of each in one evaluation", rows, ratios, threads)


def step(context: Context, turns: int, width: int) -> None:
    context.decode([(2000, HELD + i, turn, True) for turn in range(turns) for i in range(width)])


if __name__ == "__main__":
    main()
