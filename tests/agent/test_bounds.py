"""What bounds can be, and whose hold."""

import math

import pytest

from umi_lite.agent.bounds import Bounds, Sampling, settled
from umi_lite.errors import UserError


@pytest.mark.parametrize("name", [*Bounds.__dataclass_fields__])
def test_no_bound_is_negative(name):
    with pytest.raises(UserError, match=f"{name} is -1; it must be"):
        Bounds(**{name: -1})


def test_an_agent_without_calls_is_one_but_without_tokens_it_is_not():
    assert Bounds(max_calls=0, repeats=1).max_calls == 0
    with pytest.raises(UserError, match="max_answer_tokens is 0; it must be 1 or more"):
        Bounds(max_answer_tokens=0)
    with pytest.raises(UserError, match="max_seconds is nan; it must be above 0"):
        Bounds(max_seconds=math.nan)


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
def test_a_temperature_is_a_number_from_0(temperature):
    with pytest.raises(UserError, match=r"temperature is .*; it must be 0"):
        Sampling(temperature)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_is_one_that_every_sampler_takes(seed):
    with pytest.raises(UserError, match=r"seed is .*; it must be from 0 to 2147483647"):
        Sampling(1.0, seed)


def test_what_is_asked_holds_above_the_bundles_and_the_bundles_above_an_evaluations():
    evaluation = Bounds(max_calls=6, max_thought_chars=200, max_call_tokens=96)
    bundle = Bounds(max_thought_chars=900, max_call_tokens=512)
    made = settled(evaluation, bundle, {"max_call_tokens": 64})
    assert made == Bounds(max_calls=6, max_thought_chars=900, max_call_tokens=64)
    assert settled(Bounds(), bundle, {}) == bundle
    assert settled(evaluation, Bounds(), {}) == evaluation


def test_what_is_asked_is_checked_too():
    with pytest.raises(UserError, match="seed is -2"):
        settled(Sampling(), Sampling(0.7), {"seed": -2})


def test_a_bundles_raised_bound_takes_nothing_from_an_evaluation_that_is_wider() -> None:
    own = Bounds(max_thought_chars=1200, max_call_tokens=96)
    bundle = Bounds(max_thought_chars=600, max_call_tokens=400, max_calls=3)
    made = settled(own, bundle, {})
    assert (made.max_thought_chars, made.max_call_tokens, made.max_calls) == (1200, 400, 3)
    assert settled(own, bundle, {"max_thought_chars": 50}).max_thought_chars == 50
