import json
import re

import pytest
from datafiles import data_file

from umi_lite.data import gsm8k
from umi_lite.data.gsm8k_notes import BadNotes, derive
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan
from umi_lite.tools.python import python_tool

QUESTION = "Ann sells 40 cups in May and half as many in June. Each costs $1.50. How much in all?"
SOLUTION = (
    "She sold 40/2 = <<40/2=20>>20 cups in June.\n"
    "That is easy.\n"
    "So 40 + 20 = <<40+20=60>>60 cups in all.\n"
    "The 60 cups, sold for $1.50 each, bring a total of $<<60*1.5=90>>90.\n"
)
ROW = {"question": QUESTION, "answer": SOLUTION + "#### 90"}


def write(tmp_path, *rows):
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return path


def answer(solution: str, gold: str = "90") -> dict:
    return {"question": QUESTION, "answer": f"{solution}\n#### {gold}"}


def test_plan_and_program():
    made = derive(QUESTION, SOLUTION)
    assert made.plan == (
        "She sold 40/2 = cups in June. So 40 + cups = cups2 in all. "
        "The cups2, sold for $1.50 each, bring a total of cups2*1.5 = dollars."
    )
    assert made.program.splitlines() == [
        "cups = 40/2",
        "cups2 = 40+cups",
        "dollars = cups2*1.5",
        "print(round(dollars, 2))",
    ]


def test_a_number_of_the_question_stays_a_number():
    made = derive("Of 8 pens, two go.", "8-2 = <<8-2=6>>6 and 6/3 = <<6/3=2>>2, 2*8=<<2*8=16>>16")
    assert made.program.splitlines()[:3] == ["result = 8-2", "result2 = result/3", "result3 = 2*8"]


def test_names_are_no_keywords_and_a_repeated_result_is_no_step():
    text = "1+1 = <<1+1=2>>2 print and 4+5 = <<4+5=9>>9 class. So $<<9=9>>9 it is."
    made = derive("?", text)
    assert made.program == "result = 1+1\nresult2 = 4+5\nprint(result2)"
    assert made.plan.endswith("So result2 it is.")


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        ("It is 5.", "no calculator notes"),
        ("<<2(3)=6>>6", "not a sum that Python reads"),
        ("<<__import__('os')=6>>6", "not a sum that Python reads"),
        ("<<2**99=6>>6", "not a sum that Python reads"),
        ("<<2+3=five>>5", "not a sum that Python reads"),
        ("<<2+3>>5", "not a sum that Python reads"),
        ("<<77=77>>77", "states a number without a sum"),
    ],
)
def test_notes_that_make_no_program(solution, reason):
    with pytest.raises(BadNotes, match=reason):
        derive(QUESTION, solution)


def test_the_steps_of_a_row(tmp_path):
    (made,) = gsm8k.load(write(tmp_path, ROW)).trajectories
    plan, call, seen, done, said = made.steps
    assert (made.id, made.gold, made.instruction) == ("gsm8k-train-1", "90", QUESTION)
    assert isinstance(plan, Plan) and plan.next == "caller"
    assert isinstance(call, Call) and call.tool == made.tools[0].name == "python"
    assert seen == Observation(content="90.0")
    assert isinstance(done, Plan) and done.next == "summarizer"
    assert said == Answer(text="The answer is 90.")


def test_bad_rows_are_dropped_with_line_and_reason(tmp_path):
    path = write(
        tmp_path,
        ROW,
        "{broken",
        "",
        {"question": QUESTION},
        {"question": 7, "answer": "#### 7"},
        answer(SOLUTION, "many"),
        answer(SOLUTION, "91"),
        answer("It is 90."),
        answer("So 1/0 = <<1/0=90>>90."),
        answer(SOLUTION, "90"),
    )
    loaded = gsm8k.load(path)
    assert [t.meta["record"] for t in loaded.trajectories] == [1, 10]
    reasons = {int(d.where.removeprefix(f"{path}:")): d.reason for d in loaded.dropped}
    assert reasons == {
        2: "not JSON: Expecting property name enclosed in double quotes",
        4: "no field 'answer'",
        5: "'question' must be str, not int",
        6: "the answer does not end with '#### number'",
        7: "the program prints another number than the answer",
        8: "no calculator notes",
        9: "the program raises",
    }
    assert loaded.drop_table()[0][1] == 1


def test_questions_only(tmp_path):
    path = write(tmp_path, answer("No notes here.", "1,250"), "[]", answer("None.", "-3"))
    loaded = gsm8k.questions(path)
    assert [(t.gold, t.steps) for t in loaded.trajectories] == [("1250", ()), ("-3", ())]
    assert [d.reason for d in loaded.dropped] == ["a JSON object is expected, not list"]


def test_n_counts_kept_rows(tmp_path):
    path = write(tmp_path, *[answer("None."), ROW] * 20)
    loaded = gsm8k.load(path, 12)
    assert [t.meta["record"] for t in loaded.trajectories] == list(range(2, 25, 2))
    assert len(loaded.dropped) == 12
    assert loaded.trajectories == gsm8k.load(path).trajectories[:12]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        gsm8k.load(tmp_path / "none.jsonl")


@pytest.fixture(scope="module")
def train():
    return gsm8k.load(data_file("gsm8k/train.jsonl"))


def test_how_many_of_the_real_rows_are_kept(train):
    assert len(train.trajectories) == 6791
    assert {reason: count for reason, count, _ in train.drop_table()} == {
        "the program prints another number than the answer": 350,
        "a note states a number without a sum": 237,
        "no calculator notes": 95,
    }


def test_plans_do_not_tell_results(train):
    rows = data_file("gsm8k/train.jsonl").read_text().splitlines()
    telling = 0
    for trajectory in train.trajectories:
        solution = json.loads(rows[trajectory.meta["record"] - 1])["answer"]
        plan, call, *_ = trajectory.steps
        assert "<<" not in plan.thought + call.arguments["code"]
        # What only a note could know: no number of the question, of an earlier sum, of words.
        known = {*numbers(trajectory.instruction), *map(float, range(13)), 20.0, 100.0}
        told = set(numbers(plan.thought))
        for expression, result in re.findall(r"<<(.*?)=(.*?)>>", solution):
            known |= set(numbers(expression))
            telling += float(result) in told and float(result) not in known
    # A typing error of the source (`was30`) and a sum worked out halfway in words.
    assert telling == 2


def test_a_sum_half_done_in_the_head_is_left_out():
    made = derive(
        "?", "It is 2/3*150 = 300/3 = <<2/3*150=100>>100g, so x = 100-1 = <<100-1=99>>99."
    )
    assert made.plan == "It is 2/3*150 = result g, so x = result-1 = result2."


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+", text)]


def test_the_batch_observes_what_the_tool_would(train):
    tool = python_tool()
    for trajectory in train.trajectories[::700]:
        _, call, seen, *_ = trajectory.steps
        assert tool.call(call.arguments) == seen.content
