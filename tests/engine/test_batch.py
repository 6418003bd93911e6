"""How an evaluation is divided among turns, told from what they have to read and are guessed."""

from types import SimpleNamespace

import pytest

from umi_lite.engine.batch import IN_STEP, MOST_DRAFTED, MOST_IN_STEP, READING, divide
from umi_lite.engine.draft import Guess
from umi_lite.engine.turn import Slot


def context(**changes):
    return SimpleNamespace(**{"n_batch": 64, "n_ctx": 256, "forgets": True, **changes})


def turn(pending, likely=()):
    """A turn that has so many tokens to read, and guesses as likely as these."""
    guesses = [Guess(100 + i, share) for i, share in enumerate(likely)]
    return SimpleNamespace(
        pending=[7] * pending, ready=pending, stop=None, guess=lambda most: guesses[: max(0, most)]
    )


def running(*turns):
    slots = [Slot(i, ids=[1] * 10, turn=made) for i, made in enumerate(turns)]
    return [(slot, slot.turn) for slot in slots]


def parts(shares):
    return [(share.count, len(share.ahead), share.idle) for share in shares]


def test_a_long_stretch_is_read_by_itself_and_short_ones_in_step():
    assert parts(divide(running(turn(1), turn(IN_STEP + 1), turn(40)), context())) == [
        (IN_STEP + 1, 0, 0)
    ]
    assert parts(divide(running(turn(1), turn(1)), context())) == [(1, 0, 0)] * 2
    assert parts(divide(running(turn(40)), context(n_batch=16))) == [(16, 0, 0)]


def test_a_lone_turn_takes_its_guesses_behind_all_it_has_to_read():
    sure = [0.9] * 20
    assert parts(divide(running(turn(3, sure)), context())) == [(3, MOST_DRAFTED, 0)]
    assert parts(divide(running(turn(12, sure)), context(n_batch=16))) == [(12, 4, 0)]
    assert parts(divide(running(turn(40, sure)), context(n_batch=16))) == [(16, 0, 0)]


def test_turns_in_step_have_equally_many_tokens():
    """Forced ones first, then guesses, then idle ones."""
    shares = divide(running(turn(6), turn(2, [1.0] * 9), turn(1, [1.0])), context())
    assert MOST_IN_STEP == 4
    assert parts(shares) == [(4, 0, 0), (2, 2, 0), (1, 1, 2)]
    assert [share.ahead for share in shares] == [[], [100, 101], [100]]


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_guess_is_tried_where_it_promises_more_than_it_costs(count):
    """Two rows a turn pay where (1 + p) / (READING + 2 n) > 1 / (READING + n)."""
    least = count / (READING + count)
    for likely, width in ((least + 0.01, 2), (least - 0.01, 1)):
        shares = divide(running(*[turn(1, [likely])] * count), context())
        assert parts(shares) == [(1, width - 1, 0)] * count


def test_nothing_is_guessed_where_it_could_not_be_forgotten():
    sure = [1.0] * 9
    for alone in (1, 3):
        turns = running(*[turn(1, sure)] * alone)
        assert parts(divide(turns, context(forgets=False))) == [(1, 0, 0)] * alone
        assert parts(divide(turns, context(n_ctx=11))) == [(1, 0, 0)] * alone
        turns[0][0].save_at = 11
        assert parts(divide(turns, context())) == [(1, 0, 0)] * alone


def test_no_more_tokens_than_a_batch_holds():
    turns = running(*[turn(1, [1.0] * 9)] * 8)
    assert parts(divide(turns, context(n_batch=16))) == [(1, 1, 0)] * 8
    assert parts(divide(turns, context(n_batch=4))) == [(1, 0, 0)] * 4
