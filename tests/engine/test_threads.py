"""Threads compute only on cores that other programs leave."""

import os
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest

from umi_lite.engine import threads as watched
from umi_lite.engine.context import Context
from umi_lite.engine.engine import Engine
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import Machine
from umi_lite.engine.placement import Overrides, place
from umi_lite.engine.request import Request
from umi_lite.engine.threads import WINDOW, Fixed, Threads, Times, left, threads_for, times


@pytest.mark.parametrize(
    ("most", "free", "right"),
    [
        (2, 2.0, 2), (2, 1.6, 2), (2, 1.4, 1), (2, 1.0, 1), (2, 0.2, 1), (8, 7.1, 7), (8, 16.0, 8),
        (8, 15.1, 8), (1, 4.0, 1),
    ],
)  # fmt: skip
def test_as_many_as_cores_are_left(most, free, right) -> None:
    assert threads_for(most, free) == right


def test_what_this_process_uses_is_not_a_neighbour(monkeypatch) -> None:
    monkeypatch.setattr(watched, "_usable", lambda: {0, 1})
    start = Times(10.0, 100.0, 5.0)
    assert left(start, Times(11.0, 102.0, 7.0)) == 2.0
    assert left(start, Times(11.0, 102.0, 6.0)) == 1.0
    # The process's clock is finer than the kernel's count.
    assert left(start, Times(11.0, 101.9, 7.0)) == 2.0


class Clock:
    """Times as of a machine with two CPUs; `others` are used by other programs."""

    def __init__(self, monkeypatch):
        self.now, self.busy, self.others = 100.0, 0.0, 0.0
        monkeypatch.setattr(watched, "_usable", lambda: {0, 1})
        monkeypatch.setattr(watched.time, "monotonic", lambda: self.now)

    def read(self) -> Times:
        return Times(self.now, self.busy, 0.0)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.busy += seconds * self.others


def test_the_number_follows_neighbours_that_come_and_go(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    threads = Threads(2, clock.read)

    def evaluated(count: int) -> list[int]:
        used = []
        for _ in range(count):
            with threads.computing() as number:
                used.append(number)
                clock.passes(WINDOW / 4)
        return used

    assert evaluated(8) == [2] * 8
    clock.others = 1.0
    assert evaluated(8) == [2] * 4 + [1] * 4
    clock.others = 0.0
    assert evaluated(8) == [1] * 4 + [2] * 4


def test_tools_that_run_between_evaluations_are_not_neighbours(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    threads = Threads(2, clock.read)
    clock.others = 2.0
    clock.passes(5.0)
    clock.others = 0.0
    with threads.computing() as number:
        clock.passes(2 * WINDOW)
    assert (number, threads.count) == (2, 2)


def test_a_number_that_was_chosen_stays(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    clock.others = 2.0
    threads = Fixed(2, clock.read)
    with threads.computing():
        clock.passes(5.0)
    assert threads.count == 2


def test_busy_neighbours_are_seen_on_this_machine() -> None:
    loop = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
    usable = len(os.sched_getaffinity(0))
    programs = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(2 * usable)]
    try:
        time.sleep(0.5)
        before = times()
        time.sleep(0.5)
        free = left(before, times())
    finally:
        for program in programs:
            program.kill()
            program.wait()
    assert free < 0.5 + 0.1 * usable, free


def test_an_engine_computes_on_the_number_of_now(base_gguf) -> None:
    ids = [5] * 8
    with Engine(base_gguf, {"planner": None}, n_ctx=256, threads=2) as engine:
        engine.generate(Request("planner", ids, max_tokens=1))
        context = engine._scheduler("planner")._context
        for number in (1, 2):
            engine._threads.count = number
            engine.generate(Request("planner", ids, max_tokens=1))
            assert context.lib.llama_n_threads(context.pointer) == number
            assert context.lib.llama_n_threads_batch(context.pointer) == number


@pytest.mark.parametrize("kv", ["f16", "q8_0"])
def test_logits_do_not_depend_on_the_number_of_threads(kv, base_gguf) -> None:
    """Else what a seed says would depend on the neighbours."""
    with closing(Model(base_gguf)) as model:
        ids = [i * 97 % model.n_vocab for i in range(64)]
        found = []
        for number in (1, 2, 3):
            options = {"n_ctx": 256, "slots": 1, "n_batch": 64, "kv": kv}
            with closing(Context(model, None, threads=1, **options)) as context:
                context.compute_on(number)
                context.decode([(t, i, 0, i == 63) for i, t in enumerate(ids)])
                read = context.logits(63).copy()
                context.decode([(7, 64, 0, True)])
                found.append(np.stack([read, context.logits(0)]))
    assert all(np.array_equal(found[0], other) for other in found)


def test_the_line_of_the_fit_says_so(base_gguf) -> None:
    from umi_lite.engine.placement import size_of

    size = size_of(base_gguf, [], mergeable=False)
    said = {
        free: str(place(size, Machine(1 << 34, 0, 2, left=free), Overrides()))
        for free in (2.0, 1.0)
    }
    assert ", 2 threads, context" in said[2.0]
    assert "1 thread for now (other programs use 1 of 2 cores), context" in said[1.0]
    fixed = place(size, Machine(1 << 34, 0, 2, left=1.0), Overrides(threads=2))
    assert ", 2 threads, context" in str(fixed)
