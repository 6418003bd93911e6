"""Roles of one engine may differ in vocabulary, template and size; the loop does not know."""

from pathlib import Path

import pytest
from byte_model import write_byte_model

from umi_lite.agent.agent import Agent
from umi_lite.agent.episode import Bounds
from umi_lite.engine.engine import Engine
from umi_lite.engine.language import Language
from umi_lite.protocol.trajectory import ROLES, Call
from umi_lite.tools.tools import Toolbox, tool


@pytest.fixture(scope="module")
def byte_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_byte_model(tmp_path_factory.mktemp("bytes") / "bytes.gguf")


@tool
def place(city: str) -> str:
    """Where a city is."""
    return f"{city} is far away"


def test_a_caller_with_words_of_its_own(base_gguf, byte_model):
    """A random model, but its grammar makes it call; the planner of another vocabulary reads it."""
    views = dict.fromkeys(ROLES)
    with Engine(base_gguf, views, models={"caller": byte_model}, n_ctx=1024) as engine:
        ours, theirs = engine.language("planner"), engine.language("caller")
        assert ours is engine.language("summarizer") is not theirs
        assert ours.template.end_of_turn == "<|im_end|>"
        assert theirs.template.end_of_turn == "<|end|>"
        assert theirs.encode("the<|end|>", special=True) == [256, ord("e"), 260]
        agent = Agent(engine, Toolbox([place]), Bounds(max_calls=2, max_call_tokens=200))
        traces = [agent.run(f"Where is Rome? ({i})") for i in range(3)]
    calls = [step for t in traces for step in t.trajectory.steps if isinstance(step, Call)]
    turns = [turn for trace in traces for turn in trace.turns]
    assert {turn.view for turn in turns} >= {"planner", "caller"}
    # Bytes: a caller's prompt is several times as long as the planner's.
    first = {turn.view: turn.prompt_tokens for turn in reversed(turns)}
    assert first["caller"] > 2 * first["planner"]
    assert all(call.tool == "place" and set(call.arguments) == {"city"} for call in calls)


def test_copies_of_one_model_share_their_words(base_gguf, tmp_path):
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(base_gguf.read_bytes())
    with Engine(base_gguf, dict.fromkeys(ROLES), models={"caller": copy}, n_ctx=256) as engine:
        assert engine.language("caller") is engine.language("planner")


def test_pieces_and_specials_are_llguidances_own(base_gguf, byte_model):
    """What llguidance's slow reader finds."""
    from llguidance import LLMatcher
    from llguidance.llamacpp import lltokenizer_from_vocab

    from umi_lite.engine.llama import Model

    for path in (base_gguf, byte_model):
        model = Model.vocabulary(path)
        ours = Language(model).tokens
        with pytest.warns(DeprecationWarning):
            theirs = lltokenizer_from_vocab(model.vocab, eos_token=sorted(model.eog))
        ids = range(model.n_vocab)
        assert [ours.decode_bytes([i]) for i in ids] == [theirs.decode_bytes([i]) for i in ids]
        masks = []
        for tokens in (ours, theirs):
            matcher = LLMatcher(tokens, 'start: "the " /[a-z<|>]+/ ("." | "!")')
            assert matcher.consume_tokens(model.encode("the e", special=False))
            masks.append(matcher.compute_bitmask())
        assert masks[0] == masks[1]
        model.close()
