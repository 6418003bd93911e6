"""The copy bias, with the embedded model's own vocabulary."""

from collections.abc import Iterator

import numpy as np
import pytest

from umi_lite.engine.copying import CopyBias
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Values
from umi_lite.weights.embedded import embedded_gguf

REQUEST = "How far is it from Athens to Manila on 2027-04-21?\n"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    made = Model.vocabulary(embedded_gguf())
    yield made
    made.close()


def bias(model: Model, written: str, values: Values = "call", request: str = REQUEST) -> CopyBias:
    made = CopyBias(model, values, 6.0, model.encode(request, special=False))
    made.extend(model.encode(written, special=False))
    return made


def token(model: Model, text: str) -> int:
    return model.pieces().index(text.encode())


def chosen(model: Model, made: CopyBias, **logits: float) -> str:
    """Return the token that is taken, of logits by text (`_` is a quote), all others being 0."""
    given = np.zeros(model.n_vocab, dtype=np.float32)
    for text, logit in logits.items():
        given[token(model, text.replace("_", '"'))] = logit
    before = given.copy()
    best = model.piece(int(made.apply(given).argmax())).decode()
    assert (given == before).all()
    return best


def test_a_word_of_the_request_is_spelled_with_its_own_tokens(model: Model) -> None:
    """`hen` spells the beginning of Athens, but nothing that could end it is ever written."""
    assert model.encode("Athens", special=False) == [token(model, "At"), token(model, "hens")]
    made = bias(model, 'distance {"start": "At')
    assert chosen(model, made, hen=20.0, hens=12.0) == "hens"
    assert chosen(model, made, hen=20.0, hens=7.0) == "hen"
    assert chosen(model, made, om=20.0, hens=12.0) == "om"
    assert chosen(model, made, om=15.0, hens=12.0) == "hens"


def test_a_value_begins_with_a_words_own_token(model: Model) -> None:
    assert model.encode("Manila", special=False) == [token(model, "Man"), token(model, "ila")]
    made = bias(model, 'distance {"start": "')
    assert chosen(model, made, M=20.0, Man=16.0) == "Man"
    assert model.piece(token(model, " Manila")) == b" Manila"
    logits = np.zeros(model.n_vocab, dtype=np.float32)
    logits[token(model, " Manila")] = 6.0
    assert model.piece(int(made.apply(logits).argmax())) == b"Man"
    assert chosen(model, made, V=20.0, Man=16.0) == "V"
    assert chosen(model, made, V=20.0, Man=18.0) == "Man"


def test_a_value_can_end_where_the_word_does(model: Model) -> None:
    ended = bias(model, 'distance {"start": "Manila')
    assert chosen(model, ended, _=10.0, s=12.0) == '"'
    assert chosen(model, bias(model, 'distance {"start": "Man'), _=10.0, s=12.0) == "s"


@pytest.mark.parametrize(
    "written",
    [
        "dist", '{"', 'distance {"At', 'distance {"start": "Athens", "At', 'f {"n": ',
        'f {"day": "2', 'f {"a": "Ath", "b": {"At', 'f {"text": "say \\"At', 'f {"a": "x At',
        'f {"code": "At', 'f {"source_code": ["x", "At',
    ],
)  # fmt: skip
def test_keys_numbers_and_other_texts_are_free(model: Model, written: str) -> None:
    logits = np.linspace(-1, 1, model.n_vocab, dtype=np.float32)
    assert bias(model, written).apply(logits) is logits


@pytest.mark.parametrize(
    "written", ['f {"a": ["At', 'f {"a": ["x", "At', 'f {"a": {"b": "At', 'f {"k\\"": "At']
)
def test_strings_of_lists_and_nested_objects_are_values(model: Model, written: str) -> None:
    assert chosen(model, bias(model, written), hen=20.0, hens=12.0) == "hens"


def test_a_thoughts_named_values_are_biased_and_its_words_are_not(model: Model) -> None:
    made = bias(model, "use distance: start=At", "thought")
    assert chosen(model, made, hen=20.0, hens=12.0) == "hens"
    for free in ("use distance: At", "use distance: start=Athens, goal At", "use f: sql=At"):
        logits = np.zeros(model.n_vocab, dtype=np.float32)
        assert bias(model, free, "thought").apply(logits) is logits


def test_words_with_signs_of_several_bytes(model: Model) -> None:
    word = "Łódź"
    ids = model.encode(word, special=False)
    assert any(len(model.piece(i).decode("utf-8", "ignore")) == 0 for i in ids), "not split"
    made = bias(model, 'f {"a": "', request=f"Go to {word} now.")
    for at, want in enumerate(ids):
        logits = np.zeros(model.n_vocab, dtype=np.float32)
        logits[want] = 0.5 if at == 0 else -5.0
        assert int(made.apply(logits).argmax()) == want
        made.extend([want])
