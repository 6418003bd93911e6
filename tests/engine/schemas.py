"""Random tool schemas, and logits that no model would give."""

import random
import string
from collections.abc import Callable
from typing import Any

import numpy as np

NAMES = ("city", "größe", "名前", "a b", 'quo"te', "back\\slash", "x", "émoji🙂", "_", "n-1", "")
WORDS = ("red", "blau", "日本", "a,b", '"', "\\", "", "NaN", "true", "🙂 ok")
FORMATS = ("date", "time", "date-time", "email", "ipv4", "uuid", "nothing-known")


def parameters(chance: random.Random) -> dict[str, Any]:
    """An object schema as a tool's parameters have it, up to three levels deep."""
    kind = chance.random()
    if kind < 0.03:
        return chance.choice(({}, {"type": "object"}, {"type": "object", "properties": {}}))
    if kind < 0.05:
        names = [f"p{i}" for i in range(100)]
        made = {name: {"type": chance.choice(("integer", "boolean"))} for name in names}
        return {"type": "object", "properties": made, "required": chance.sample(names, 20)}
    schema = _object(chance, 0)
    if chance.random() < 0.2:
        inner = _object(chance, 2)
        schema["$defs"] = {"inner": inner}
        schema["properties"]["ref"] = {"$ref": "#/$defs/inner"}
    return schema


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    names = chance.sample(NAMES, chance.randint(1, 4))
    made = {name: value(chance, depth + 1) for name in names}
    schema = {"type": "object", "properties": made}
    if chance.random() < 0.8:
        schema["required"] = chance.sample(names, chance.randint(0, len(names)))
    if chance.random() < 0.3:
        schema["additionalProperties"] = False
    return schema


def value(chance: random.Random, depth: int) -> dict[str, Any]:
    """Any schema; deep ones are scalars."""
    makers: list[Callable[[], dict[str, Any]]] = [
        lambda: {"type": "string"},
        lambda: {"type": "string", "maxLength": chance.randint(0, 12)},
        lambda: {"type": "string", "minLength": 2, "maxLength": 9},
        lambda: {"type": "string", "pattern": chance.choice(("^[a-c]{1,4}$", "^x+y?$", "[0-9]"))},
        lambda: {"type": "string", "format": chance.choice(FORMATS)},
        lambda: {"type": "integer"},
        lambda: {"type": "integer", "minimum": -3, "maximum": chance.randint(0, 500)},
        lambda: {"type": "number"},
        lambda: {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        lambda: {"type": "boolean"},
        lambda: {"type": "null"},
        lambda: {"enum": chance.sample([*WORDS, 1, 2.5, None, True], chance.randint(1, 4))},
        lambda: {"const": chance.choice([*WORDS, 7])},
        lambda: {"type": ["string", "null"], "description": "".join(chance.sample(WORDS, 2))},
        lambda: {"type": "integer", "multipleOf": chance.choice((2, 5, 10))},
        lambda: {},
    ]
    if depth < 3:
        makers += [
            lambda: _object(chance, depth),
            lambda: {"type": "array", "items": value(chance, depth + 1), "maxItems": 3},
            lambda: {"type": "array", "items": value(chance, depth + 1), "minItems": 1},
            lambda: {"anyOf": [value(chance, depth + 1) for _ in range(chance.randint(1, 3))]},
            lambda: {"oneOf": [value(chance, depth + 1) for _ in range(chance.randint(1, 2))]},
            lambda: {"type": "object", "additionalProperties": value(chance, depth + 1)},
            lambda: {"type": "array", "uniqueItems": True},
            lambda: {"type": "string", "not": {"const": "a"}},
            lambda: {"type": "object", "patternProperties": {"^a": {}}},
            lambda: {"if": {}, "then": {"type": "string"}},
        ]
    return chance.choice(makers)()


class RandomLogits:
    """Logits without sense; what closes a value is likelier, or no call would ever end."""

    def __init__(self, pieces: list[bytes], seed: int):
        self._random = np.random.default_rng(seed)
        closing = set(b'"}],')
        plain = set(string.ascii_letters.encode())
        self._bias = np.array(
            [
                8.0 if piece and piece[0] in closing else 1.0 if plain.issuperset(piece) else 0.0
                for piece in pieces
            ],
            np.float32,
        )

    def __call__(self) -> np.ndarray:
        noise = self._random.standard_normal(len(self._bias), np.float32)
        return 2 * noise + self._bias
