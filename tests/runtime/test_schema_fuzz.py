"""Whatever schema a tool has: it is refused by name, or every call of it validates.

With the embedded model's vocabulary and random logits: 600 schemas, 2,000 in `make study`.
"""

import random

import jsonschema
import pytest
from schemas import RandomLogits, parameters
from studies import STUDY

from umi_lite.protocol.errors import UserError
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.roles import parse_call
from umi_lite.protocol.trajectory import Tool
from umi_lite.runtime.engine import Engine
from umi_lite.runtime.llama import Model
from umi_lite.runtime.request import Generation, Request

COUNT = 2000 if STUDY else 600
REFUSED = {"uniqueItems", "not", "patternProperties", "if"}  # `oneOf` where its schemas overlap


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
def test_every_call_validates_or_its_schema_is_refused(engine: Engine) -> None:
    chance = random.Random(7)
    model = Model.vocabulary(engine.base)
    logits = RandomLogits([model.piece(i) for i in range(model.n_vocab)], 7)
    finished = refused = 0
    for number in range(COUNT):
        schema = parameters(chance)
        tool = Tool(name=f"tool_{number}", description="", parameters=schema)
        try:
            grammar = call_grammar([tool])
            request = Request("caller", (1,), grammar=grammar, max_tokens=600)
            engine.words("caller").matcher(grammar)
        except UserError as err:
            assert "\n" not in str(err)
            refused += 1
            assert any(repr(word) in str(err) for word in keywords(schema)), (schema, str(err))
            continue
        assert not keywords(schema) & REFUSED, schema
        said = say(engine, request, logits)
        if said.stop == "length":
            continue
        call = parse_call(said.text)
        assert call.tool == tool.name
        jsonschema.validate(call.arguments, schema)
        finished += 1
    assert finished >= 0.5 * COUNT and refused >= 0.05 * COUNT, (finished, refused)
