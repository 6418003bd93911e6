"""Are forced tokens those that the model was trained on? Walked along the training samples."""

from collections import Counter

import pytest

from umi_lite.data import toolworld
from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.protocol.grammar import call_grammar, plan_grammar
from umi_lite.protocol.prompts import render
from umi_lite.protocol.trajectory import Call, Plan


@pytest.fixture(scope="module")
def words(base_gguf):
    model = Model.vocabulary(base_gguf)
    yield Language(model)
    model.close()


def turns(sample):
    """The trained stretches of a sample, as token ids."""
    ids = []
    for token, trained in zip(sample.ids, sample.mask, strict=True):
        if trained:
            ids.append(token)
        elif ids:
            yield ids
            ids = []
    if ids:
        yield ids


def forced_in(words, grammar, gold):
    """How many of a turn's tokens its grammar forces; each must be the trained one."""
    matcher, at, forced = words.matcher(grammar), 0, 0
    while at < len(gold):
        sure = matcher.compute_ff_tokens()[: len(gold) - at]
        assert sure == gold[at : at + len(sure)], words.decode(gold)
        forced += len(sure)
        step = sure or gold[at : at + 1]
        assert matcher.consume_tokens(step), words.decode(gold)
        at += len(step)
    return forced


@pytest.mark.parametrize(("view", "step"), [("planner", Plan), ("caller", Call)])
def test_forced_tokens_are_the_trained_ones(words, view, step):
    seen = Counter()
    for trajectory in toolworld.load("train", 150, 3).trajectories:
        sample = render(trajectory, view, words.template, words)
        grammar = call_grammar(trajectory.tools) if step is Call else plan_grammar(400)
        for gold in turns(sample) if sample else ():
            gold = [i for i in gold if words.decode([i]) != words.template.end_of_turn]
            seen["forced"] += forced_in(words, grammar, gold)
            seen["all"] += len(gold)
    print(view, seen, seen["forced"] / seen["all"])
    assert seen["all"] > 1000 and seen["forced"] > 0.1 * seen["all"]
