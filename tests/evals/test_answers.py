import pytest

from umi_lite.evals.answers import gsm8k_correct, gsm8k_number, holds_gold, tokens


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("37.5", "The total is 37.50 EUR."),
        ("37.5", "It costs €37.5."),
        ("1250", "That is 1,250 pieces."),
        ("120", "It takes 120min."),
        ("-3", "The result is -3."),
        ("2025-03-04", "The date is 2025-03-04."),
        ("blue lamp", "It is the Blue Lamp."),
        ("packed | 75", "Order A1 is packed and the sum is 75."),
        ("grace77@mail.org", "Write to grace77@mail.org."),
        ("HELLO YOU", "In capitals: HELLO YOU."),
        ("[1, 2, 30]", "Sorted it is [1, 2, 30]."),
        ("sell the map | buy milk", "To do: buy milk, sell the map."),
        ("10:45", "It ends at 10:45."),
    ],
)
def test_holds(gold: str, answer: str) -> None:
    assert holds_gold(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("37.5", "The total is 375 EUR."),
        ("3", "The result is -3."),
        ("5", "The date is 2025-03-04."),
        ("12", "It is 12.5."),
        ("blue lamp", "It is the lamp, a blue one."),
        ("Iran", "It is in Tirana."),
        ("packed | 75", "Order A1 is packed."),
        ("HELLO YOU", "In capitals: hello you."),
        ("37.5", ""),
        ("7", "It is one of 1, 2, 3, 4, 5, 6, 7, 8 or 9."),
        ("7", "The answer is 7. " + "I also looked at everything else. " * 10),
    ],
)
def test_does_not_hold(gold: str, answer: str) -> None:
    assert not holds_gold(gold, answer)


def test_numbers_of_the_question_are_not_strays() -> None:
    question = "What do 3 pieces cost from 2 to 9 at 4 a day?"
    answer = "3 pieces from 2 to 9 at 4 a day cost 84."
    assert holds_gold("84", answer, question)
    assert not holds_gold("84", answer)


def test_tokens() -> None:
    assert tokens("3,000 km, -4.5 and A-17: 5kg") == ["3000", "km", "-4.5", "and", "A-17", "5"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("so 5 and 6.\n#### 1,234", 1234), ("it is 5 or 7.5", 7.5), ("none", None), ("#### -2", -2)],
)
def test_gsm8k_number(text: str, number: float | None) -> None:
    assert gsm8k_number(text) == number


def test_gsm8k_correct() -> None:
    assert gsm8k_correct("18", "She makes $18.00 a day.")
    assert not gsm8k_correct("18", "She makes 9 of 18, so 9.")
    assert not gsm8k_correct("18", None)
    assert not gsm8k_correct("18", "no idea")
