"""A replayed turn has the recorded tokens, at the cost of generating them."""

import pytest

from benchmarks.episode import one_toolset
from benchmarks.replay import Recorder, replaying
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.protocol.prompts import Transcript


@pytest.fixture(scope="module")
def ids(engine) -> tuple[int, ...]:
    words = engine.language("planner")
    return tuple(Transcript("planner", words.template, words).advance(one_toolset(1)[0]))


def test_recorded_turns_are_said_again_over_another_transcript(base_gguf, ids) -> None:
    with Engine(base_gguf, {"backbone": None}, n_ctx=1024) as engine:
        recorder = Recorder(engine)
        own = recorder.generate(Request("backbone", ids, max_tokens=6))
        given = tuple(engine.language("backbone").encode("A wholly different turn", special=False))
        replayed = replaying(engine, [given, recorder.turns[0]])
        other = replayed.generate(Request("backbone", ids, max_tokens=30))
        again = replayed.generate(Request("backbone", ids[:-1], max_tokens=6))
    assert (other.ids, other.stop, other.decoded) == (given, "eot", len(given))
    assert recorder.turns == [own.ids] and again.ids == own.ids


def test_a_replayed_turn_keeps_to_the_grammar(base_gguf, ids) -> None:
    grammar = 'start: "Next: " ("caller" | "summarizer")'
    with Engine(base_gguf, {"backbone": None}, n_ctx=1024) as engine:
        plain = engine.generate(Request("backbone", ids, grammar=grammar))
        other = "summarizer" if plain.text.endswith("caller") else "caller"
        said = engine.language("backbone").encode(f"Next: {other}", special=False)
        made = replaying(engine, [said]).generate(Request("backbone", ids, grammar=grammar))
    assert made.text == f"Next: {other}" and made.forced
