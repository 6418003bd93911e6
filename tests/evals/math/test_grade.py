"""MATH answers: which are equal, how long that takes, and what hostile ones do."""

import json
import random
import re
import time
from pathlib import Path

import pytest
from datafiles import data_file

from umi_lite.errors import UserError
from umi_lite.evals.math.extract import (
    answer_of,
    boxed,
    is_prose,
    last_number,
    said,
    without_markup,
)
from umi_lite.evals.math.grade import Grader, equal, grader, grades
from umi_lite.evals.math.normalize import spell
from umi_lite.sandbox.sandbox import Sandbox

_PAIRS = Path(__file__).with_name("math_pairs.txt")
_MOST_SECONDS = 2.0


def _listed() -> list[tuple[str, str, str]]:
    """(left, == or !=, right) of every line that is no comment and no heading."""
    lines = [ln for ln in _PAIRS.read_text(encoding="utf-8").splitlines() if ln[:1] != "#"]
    split = [re.fullmatch(r"(.*?)  (==|!=)  (.*)", line) for line in lines]
    return [(match[1], match[2], match[3]) for match in split if match]


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    grader().start()


@pytest.mark.parametrize(
    ("one", "op", "other"), _listed(), ids=[" ".join(pair) for pair in _listed()]
)
def test_pairs(one: str, op: str, other: str) -> None:
    started = time.monotonic()
    assert equal(one, other) == (op == "==")
    # A gold without a mark is taken as it stands.
    assert is_prose(one) or equal(other, one) == (op == "==")
    assert time.monotonic() - started < 2 * _MOST_SECONDS


def test_enough_pairs() -> None:
    ops = [op for _, op, _ in _listed()]
    assert ops.count("==") >= 300
    assert ops.count("!=") >= 250


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{1}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\text{a}\{1\}}", r"\text{a}\{1\}"),
        (r"\fbox{9}", "9"),
        (r"\boxed 7 is it", "7"),
        (r"the box \boxed{\frac{1}{2} is not closed", r"\frac{1}{2} is not closed"),
        (r"The answer is 5. The answer is $x = 3$ as we saw.", "x = 3"),
        ("The answer is 3.5.", "3.5"),
        ("Final answer: 12 cm", "12 cm"),
        ("the answer is 3:30 p.m. today", "3:30 p.m. today"),
        ("5 cm", "5 cm"),
        ("we get 3 apples and then 1,234 of them", "1,234"),
        ("nobody can really know this", "nobody can really know this"),
        ("so 5 and 6 make it.\n#### 42", "42"),
        ("It makes 6 and then 7. #### $18", "$18"),
        ("The answer is 5 each.\n#### **42** apples", "42 apples"),
        ("#### Final answer: 42", "42"),
        ("#### Step 1\nWe add 5 and 6 of them all", "6"),
        ("so\n## Final Answer\n\n**42**\n", "42"),
        ("**Answer**\n$x = 42$", "x = 42"),
        ("Thus the **final answer is: `42`**.", "42"),
        ("Thus we see, after all these steps, **42** apples", "42"),
        ("Answer:\n```\n42\n```", "42"),
        ("The answer is Interval.open(0, 1).", "Interval.open(0, 1)"),
        (r"It is \boxed{**42**}.", "42"),
        ("", ""),
    ],
)
def test_answer_of(text: str, answer: str) -> None:
    assert answer_of(text) == answer


def test_what_a_program_printed_comes_before_the_last_number() -> None:
    prose = "We let the program count up to 100 of them"
    assert answer_of(prose, "step\n42\n") == "42"
    assert answer_of(prose, None) == "100"
    assert answer_of("", "42") == "42"
    assert answer_of(r"\boxed{7}", "42") == "7"
    assert equal("", r"\frac{84}{2}", output="42.0")


def test_nothing_is_found() -> None:
    assert boxed("no box") is None
    assert said("nothing") is None
    assert last_number("none") is None
    assert not equal("", "")
    assert not equal(r"\boxed{}", r"\boxed{}")


HOSTILE = [
    "9**9**9**9", "10^{10^{10}}", "{" * 100_000, "{" * 500 + "1" + "}" * 500, "1" * 1_000_000,
    r"\boxed{" * 100_000, "__import__('os').system('true')", r"\input{/etc/passwd}",
    "[" * 900 + "]" * 900, "(" * 1900, r"\frac{" * 300, "(((100!)!)!)!", r"\binom{10^9}{10^8}",
    "(x+1)^{1000}(y+1)^{1000}", "(x+y+z+w)^{200}-(a+b)^{200}", "1e999999999", "2^{2^{2^{2^{2^2}}}}",
    r"\sin " * 400 + "1", "e^{e^{e^{e^{e^{10}}}}}", r"\pm " * 500 + "1", "answer is " * 100_000,
    "\x00\x01\ud800", r"\begin{pmatrix}" * 100, "1+" * 900 + "1", "x^" * 500 + "2",
    r"\sum_{k=1}^{10^{9}} k", "0^{-1}", r"\tan\frac{\pi}{2}", "|" * 1000, "1<" * 900 + "1",
    "$" * 1_000_000, "\\ " * 500_000, "answer " + " " * 1_000_000, r"\text" + " " * 1900 + "{",
    r"\lfloor 10^{40000}\pi \rfloor", r"(1+\sqrt2)^{100000}", "1," * 900 + "1", "word " * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:16] + "…" for text in HOSTILE])
def test_hostile_text_is_false_in_time(text: str) -> None:
    others = ("5", rf"x^2+\pi{text[:50]}")
    for one, other in [(text, o) for o in others] + [(o, text) for o in others]:
        started = time.monotonic()
        assert equal(one, other) is False
        assert time.monotonic() - started < _MOST_SECONDS
    assert equal("2x", "x+x"), "the next pair is graded as ever"


def test_a_formula_that_no_limit_would_let_through_equals_itself() -> None:
    assert equal("9**9**9**9", "9**9**9**9")
    assert equal(r"\boxed{10^{10^{10}}}", "10^{10^{10}}")


def test_a_text_answer_of_many_words_equals_itself() -> None:
    assert equal("there is no such number at all", "there is no such number at all")
    assert equal("there is no such number at all", r"so: \boxed{there is no such number at all}")
    assert equal("all reals but the number 3", "all reals but the number 3")


def test_without_sympy_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(packages=()) as bare:
        monkeypatch.setattr("umi_lite.evals.math.grade.sandbox", lambda: bare)
        with pytest.raises(UserError, match=r"needs sympy: pip install umi-lite\[math\]$"):
            Grader().start()


def test_math_solutions_equal_themselves() -> None:
    rows = [json.loads(line) for line in data_file("math/dev.jsonl").read_text().splitlines()]
    golds = [boxed(row["solution"]) or "" for row in rows]
    assert len(rows) == 1000
    wrong = [g for row, g in zip(rows, golds, strict=True) if not equal(row["solution"], g)]
    assert wrong == []
    formulas = [spell(gold) for gold in golds]
    unread = [
        f.formula
        for f in formulas
        if f.words is None and not grader().same([(f.formula, f.formula)])
    ]
    assert unread == [], "each is also equal to itself by its value"


def test_golds_of_other_problems_are_not_equal() -> None:
    rows = [json.loads(line) for line in data_file("math/dev.jsonl").read_text().splitlines()]
    golds = sorted({boxed(row["solution"]) or "" for row in rows})
    chosen = random.Random(3)
    pairs = [(a, b) for a, b in zip(golds, chosen.sample(golds, len(golds)), strict=True) if a != b]
    same = [pair for pair in pairs if equal(*pair)]
    assert len(pairs) > 400
    assert same == [(r"30^\circ", "30")], "of two problems, but rightly equal"


def test_grade_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"pred": 0.50, "gold": "1/2"}\n\n{"pred": null, "gold": 5}\n{"pred": [5], "gold": 5}\n'
        '{"pred": "so \\\\boxed{2\\\\sqrt2}", "gold": "it is \\\\boxed{\\\\sqrt8}.", "id": 3}\n'
        f'{{"pred": {"9" * 5000}, "gold": 9}}\n'
    )
    assert list(grades(path)) == [True, False, False, True, False]


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"pred": 1}', '{"gold": 1}', '{"pred": 1, "gold": null}', "[" * 100_000]
)
def test_a_line_that_is_no_pair_is_told_before_any_is_graded(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"pred": 1, "gold": 1}\n' + line + "\n")
    with pytest.raises(UserError, match=r"pairs\.jsonl:2: .* is expected$"):
        grades(path)


@pytest.mark.parametrize("text", ["**a *b", "* *", "_a_b ", "`a", "**" + "a*" * 50, "# ", "~~~\n"])
def test_markup_of_a_million_characters_takes_no_time(text: str) -> None:
    started = time.monotonic()
    without_markup(text * (1_000_000 // len(text)))
    assert time.monotonic() - started < _MOST_SECONDS
