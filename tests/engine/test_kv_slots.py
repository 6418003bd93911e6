"""Slots side by side: what each holds goes with it, and the real model says the same."""

import random
from collections.abc import Hashable
from dataclasses import replace
from itertools import pairwise

import pytest
from test_engine import ask, task

from umi_lite.engine.engine import Engine
from umi_lite.engine.kv_slots import Slots, sequences
from umi_lite.engine.request import Generation, Request


class Cache:
    """What llama.cpp's sequences hold."""

    def __init__(self, count: int):
        self.held = [""] * sequences(count)
        self.copies = 0

    def copy(self, source: int, target: int) -> None:
        self.held[target] = self.held[source]
        self.copies += 1

    def cut(self, sequence: int, keep: int) -> bool:
        self.held[sequence] = self.held[sequence][:keep]
        return True


@pytest.mark.parametrize("count", [2, 3, 8, 32])
def test_gathered_slots_are_neighbours_and_hold_what_they_held(count) -> None:
    chance = random.Random(count)
    cache = Cache(count)
    slots = Slots(cache, count)  # pyright: ignore[reportArgumentType]
    held = {slot: f"cache {i}" for i, slot in enumerate(slots)}
    for slot, text in held.items():
        cache.held[slot.index] = text
    for _ in range(50):
        some = chance.sample(list(held), chance.randint(1, count))
        before = cache.copies
        slots.gather(some)
        places = sorted(slot.index for slot in some)
        assert all(b - a == 1 for a, b in pairwise(places))
        assert {slot: cache.held[slot.index] for slot in slots} == held
        assert sorted(cache.held) == sorted([*held.values(), ""])
        assert [slot.index for slot in slots] == sorted(slot.index for slot in held)
        # Never more than two copies for a slot that must move, and none for a second asking.
        moved = cache.copies - before
        assert moved <= 2 * (len(some) - 1)
        slots.gather(some)
        assert cache.copies == before + moved


def test_one_slot_needs_no_spare() -> None:
    assert [sequences(n) for n in (1, 2, 8)] == [1, 3, 9]
    assert len(list(Slots(Cache(1), 1))) == 1  # pyright: ignore[reportArgumentType]


def test_episodes_whose_neighbours_wait_say_what_they_say_alone(f32_gguf) -> None:
    """Of six episodes every second one has another turn, for which its slot is moved."""
    numbers = range(6)

    def first(engine: Engine, number: int) -> Request:
        question = task(f"Count from {number} to {number + 4}, please.")
        return ask(engine, trajectory=question, max_tokens=6 + number, episode=number)

    def second(engine: Engine, number: int, said: Generation) -> Request:
        go_on = engine.language("planner").encode(" And then", special=False)
        before = first(engine, number)
        return replace(before, ids=(*before.ids, *said.ids, *go_on), max_tokens=8)

    def together(engine: Engine, requests: list[Request]) -> dict[Hashable, Generation]:
        done: dict[Hashable, Generation] = {}
        for request in requests:
            engine.submit(request)
        while len(done) < len(requests):
            done.update({request.episode: said for request, said in engine.step()})
        return done

    with Engine(f32_gguf, {"planner": None}, n_ctx=512, slots=6) as engine:
        said = together(engine, [first(engine, n) for n in numbers])
        more = together(engine, [second(engine, n, said[n]) for n in numbers if n % 2])
    with Engine(f32_gguf, {"planner": None}, n_ctx=512) as engine:
        for number in numbers:
            alone = engine.generate(first(engine, number))
            assert alone.ids == said[number].ids
            if number % 2:
                again = engine.generate(second(engine, number, alone))
                assert again.ids == more[number].ids
                assert more[number].reused >= len(said[number].ids) + said[number].prompt_tokens - 1
            engine.release(number)
