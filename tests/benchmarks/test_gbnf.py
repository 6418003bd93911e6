"""The baselines' grammars constrain the roles to the same language."""

import ctypes
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gbnf import call_gbnf, gbnf
from umi_lite.data import toolworld
from umi_lite.engine.llama import Model
from umi_lite.protocol.roles import call_text, plan_text
from umi_lite.protocol.trajectory import Call, Plan


@pytest.fixture(scope="module")
def model(base_gguf: Path) -> Iterator[Model]:
    made = Model(base_gguf)
    yield made
    made.close()


def accepts(model: Model, grammar: str, text: str) -> bool:
    """True if llama.cpp's grammar sampler accepts the tokens of the text, and then the end."""
    lib = model.lib
    sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
    assert sampler
    try:
        for token in [*model.encode(text, special=False), min(model.eog)]:
            one = (lib.llama_token_data * 1)()
            one[0].id = token
            held = lib.llama_token_data_array(one, 1, -1, False)
            lib.llama_sampler_apply(sampler, ctypes.byref(held))
            if math.isinf(one[0].logit):
                return False
            lib.llama_sampler_accept(sampler, token)
        return True
    finally:
        lib.llama_sampler_free(sampler)


@pytest.fixture(scope="module")
def trajectories():
    return toolworld.load("train", 60, 0).trajectories


def test_gold_calls_pass(model, trajectories) -> None:
    checked = 0
    for trajectory in trajectories:
        grammar = call_gbnf(trajectory.tools)
        for step in trajectory.steps:
            if isinstance(step, Call):
                assert accepts(model, grammar, call_text(step, trajectory.tools))
                checked += 1
    assert checked > 60


def test_gold_plans_pass(model, trajectories) -> None:
    grammar = gbnf("planner", ())
    plans = [step for t in trajectories[:20] for step in t.steps if isinstance(step, Plan)]
    assert all(accepts(model, grammar, plan_text(plan)) for plan in plans)


@pytest.mark.parametrize(
    "text", ["fly {}", 'price {"item": 3}', "price", 'price {"cost": "a"}', 'price { "item": "a"}']
)
def test_what_no_tool_takes_is_refused(model, trajectories, text) -> None:
    tools = next(t.tools for t in trajectories if any(x.name == "price" for x in t.tools))
    assert not accepts(model, call_gbnf(tools), text)


def test_an_answer_is_free() -> None:
    assert gbnf("summarizer", ()) is None
