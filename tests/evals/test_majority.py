"""Votes: the answer that most episodes give is the one that counts."""

import pytest
from scripted import Scripted

from umi_lite.agent.bounds import Sampling
from umi_lite.errors import UserError
from umi_lite.evals.majority import evaluate_majority
from umi_lite.protocol.trajectory import Trajectory

DONE, GIVE_UP = "Done.\nNext: summarizer", "No.\nNext: give_up"
WARM = Sampling(temperature=0.7, seed=3)


def task(source="math", gold=r"\frac12", id_="m"):
    return Trajectory(id=id_, source=source, instruction="Halve 1.", gold=gold)


def said(*answers):
    """The turns of episodes that give these answers; None gives up."""
    return [turn for text in answers for turn in ((GIVE_UP,) if text is None else (DONE, text))]


def voted(answers, made=None, **more):
    made = made or task()
    score = evaluate_majority(
        Scripted(*said(*answers)), [made], len(answers), sampling=WARM, **more
    )
    return score, score.results[0]


@pytest.mark.parametrize(
    ("answers", "ok"),
    [
        (["The answer is 3.", "The answer is 0.5.", r"It is \boxed{\frac{1}{2}}."], True),
        (["The answer is 0.5.", "The answer is 3.", "The answer is 3."], False),
        ([None, None, "The answer is 0.5."], True),
        (["The answer is 0.5.", "The answer is 3."], True),  # as many: the earlier one
        ([None, None], False),
    ],
)
def test_the_most_frequent_answer_counts_however_it_is_written(answers, ok):
    score, result = voted(answers)
    assert result.ok is ok and score.success.hits == int(ok)
    assert (score.majority, score.report()["majority"]) == (len(answers), len(answers))


def test_gsm8k_votes_by_the_number():
    answers = ["So it is 8.", "9 eggs, so 1,200.", "He has 3, so 1200.00"]
    assert voted(answers, task("gsm8k", "1200"))[1].answer == "9 eggs, so 1,200."


def test_each_vote_has_a_seed_of_its_own_and_all_of_them_cost():
    heard = []
    engine = Scripted(*said("The answer is 3.", "The answer is 4.", "The answer is 3."))
    (result,) = evaluate_majority(
        engine, [task()], 3, sampling=WARM, on_result=lambda r, t: heard.append((r, t))
    ).results
    assert len({request.seed for request in engine.asked}) == len(engine.asked) == 6
    assert {request.temperature for request in engine.asked} == {0.7}
    ((counted, trace),) = heard
    assert (
        counted == result and trace.answer == "The answer is 3." and result.seconds > trace.seconds
    )


@pytest.mark.parametrize(
    ("votes", "source", "temperature", "message"),
    [
        (0, "math", 0.7, "majority is 0; it must be 1 or more"),
        (4, "math", 0.0, "4 episodes at temperature 0 are all the same: give --temperature too"),
        (
            4,
            "toolworld",
            0.7,
            "no majority for toolworld: only gsm8k, math, tora have comparable answers",
        ),
    ],
)
def test_what_cannot_be_voted_on(votes, source, temperature, message):
    engine = Scripted()
    with pytest.raises(UserError, match=message):
        evaluate_majority(engine, [task(source)], votes, sampling=Sampling(temperature))
    assert not engine.asked
