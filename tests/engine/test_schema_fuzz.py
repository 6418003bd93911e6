"""Whatever schema a tool has: every call of it validates, or is stopped before it runs.

With the embedded model's vocabulary and random logits: 600 schemas, 2,000 in `make study`.
"""

import random

import jsonschema
import pytest
from schemas import RandomLogits, parameters
from studies import STUDY

from umi_lite.engine.engine import Engine
from umi_lite.engine.language import callable_tools
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Generation, Request
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.roles import parse_call
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.tools import Toolbox, ToolFunction

COUNT = 2000 if STUDY else 600
# What no grammar holds.
CHECKED = {"uniqueItems", "not", "patternProperties", "if", "oneOf"}


def say(engine: Engine, request: Request, logits: RandomLogits) -> Generation:
    """The engine's own turn, the model's logits replaced."""
    turn = engine._start(request, 0)
    while not turn.stop:
        turn.fed(len(turn.pending), 0.0)
        turn.pick(logits())
    return turn.generation()


def keywords(schema) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keywords, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key, sub in schema.items():
        inner = list(sub.values()) if key in ("properties", "$defs") else sub
        found |= keywords(inner) if key not in ("enum", "const") else set()
    return found


@pytest.mark.timeout(1200)
def test_every_call_that_runs_validates(engine: Engine) -> None:
    chance = random.Random(7)
    model = Model.vocabulary(engine.base)
    logits = RandomLogits([model.piece(i) for i in range(model.n_vocab)], 7)
    finished = contradictions = stopped = 0
    for number in range(COUNT):
        schema = parameters(chance)
        ran: list[dict] = []
        tool = ToolFunction(
            Tool(name=f"tool_{number}", description="", parameters=schema),
            lambda ran=ran, **arguments: ran.append(arguments) or "done",
        )
        kept, refused = callable_tools([tool.spec])
        if refused:
            assert "\n" not in refused[tool.spec.name]
            contradictions += 1
            continue
        request = Request("caller", (1,), grammar=call_grammar(kept), max_tokens=600)
        said = say(engine, request, logits)
        if said.stop == "length":
            continue
        call = parse_call(said.text)
        assert call.tool == tool.spec.name
        seen = Toolbox([tool]).call(call)
        valid = jsonschema.Draft202012Validator(schema).is_valid(call.arguments)
        assert valid is not seen.error, (schema, said.text, seen)
        assert valid or keywords(schema) & CHECKED, (schema, said.text, seen)
        assert ran == ([call.arguments] if valid else [])
        finished, stopped = finished + valid, stopped + (not valid)
    assert finished >= 0.5 * COUNT, finished
    assert contradictions <= 0.1 * COUNT and stopped, (contradictions, stopped)
