"""What is kept of a role's training turns, and what is not."""

import pytest

from umi_lite.engine.draft import OCCURRENCES, Phrases, learn_phrases
from umi_lite.errors import UserError


def learned(*samples):
    return learn_phrases((ids, [1] * len(ids)) for ids in samples).usual


def test_a_stretch_said_often_enough_is_kept_with_its_share():
    often = [[1, 2, 3]] * OCCURRENCES
    assert learned(*often) == {(1, 2): (3, 1.0)}
    assert learned(*often[1:]) == {}
    assert learned(*often, [1, 2, 4]) == {(1, 2): (3, 0.8)}


def test_what_goes_on_in_many_ways_is_left_to_the_model():
    assert learned(*[[1, 2, i % 3] for i in range(5 * OCCURRENCES)]) == {}


def test_only_trained_tokens_are_learned_behind_whatever_stood_before():
    samples = [([9, 1, 2, 3], [0, 0, 0, 1])] * OCCURRENCES
    assert learn_phrases(samples).usual == {(1, 2): (3, 1.0), (9, 1, 2): (3, 1.0)}


def test_a_file_gives_back_what_was_saved(tmp_path):
    phrases = learn_phrases([([1, 2, 3, 4, 5, 6], [1] * 6)] * 5)
    phrases.save(tmp_path / "phrases.json")
    assert Phrases.load(tmp_path / "phrases.json") == phrases and len(phrases.usual) > 5


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"version": 2, "usual": []}', "version 2, this reads 1"),
        ('{"version": 1, "usual": [["x"]]}', "cannot be read"),
    ],
)
def test_a_file_that_is_something_else(tmp_path, text, word):
    path = tmp_path / "phrases.json"
    path.write_text(text)
    with pytest.raises(UserError, match=word):
        Phrases.load(path)
