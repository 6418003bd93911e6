"""Static evaluation of whole files: gold, predictions, means, intervals, the command."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from datafiles import data_file
from test_static import GIVE_UP, call, end, turns, use, write
from typer.testing import CliRunner

from umi_lite.errors import UserError
from umi_lite.evals.static import score, static_notes, static_table
from umi_lite.evals.static_files import Prediction, load_gold, read_predictions, write_predictions
from umi_lite.evals.static_metrics import METRICS
from umi_lite.evals.stats import cluster_intervals

UNTAGGED = turns("assistant: Shall I go on?", "user: yes", "assistant: t Next: give up.")


@pytest.fixture
def gold_path(tmp_path: Path) -> Path:
    """Dialogue 0 calls twice and ends, 1 gives up after an untagged turn."""
    two = [*call('{"a": 1}'), {"from": "observation", "value": "x"}, *call('{"a"')[1:]]
    return write(tmp_path / "gold.json", [*two, *end("yes")[1:]], UNTAGGED)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return path


def line(dialogue: int, turn: int, **more: Any) -> dict[str, Any]:
    return {"dialogue": dialogue, "turn": turn, "next": "give_up", **more}


def test_every_decision_of_the_file_at_hand() -> None:
    gold = load_gold(data_file("toolbench/static_dev.json"))
    nexts = [step.next for step in gold.steps]
    assert len(gold.dialogues) == 280
    assert not gold.malformed
    assert not gold.faults
    assert [nexts.count(who) for who in ("caller", "summarizer", "give_up")] == [777, 207, 74]
    assert all(step.tool in step.tools for step in gold.steps if step.next == "caller")


def test_gold_against_itself_and_against_nothing(tmp_path: Path) -> None:
    gold = load_gold(data_file("toolbench/static_dev.json"))
    said = {
        step.place: Prediction(
            dialogue=step.dialogue, turn=step.turn, next=step.next,
            tool=step.tool, arguments=step.arguments, answer=step.answer,
        )
        for step in gold.steps
    }  # fmt: skip
    write_predictions(tmp_path / "p.jsonl", said)
    assert read_predictions(tmp_path / "p.jsonl", gold) == said
    started = time.perf_counter()
    report = score(gold, said).report()
    assert time.perf_counter() - started < 3
    assert [report[name] for name in METRICS] == pytest.approx([100, 100, 0, 100, 100], abs=1e-5)
    report = score(gold, {}).report()
    # One of the 207 gold conclusions is the word "none", which a missing answer counts as.
    assert [report[name] for name in METRICS] == pytest.approx([0, 0, 0, 0, 100 / 207], abs=1e-5)
    assert report["missing"] == report["counts"]["steps"] == 1058


def test_means_of_the_steps_that_count(gold_path: Path) -> None:
    gold = load_gold(gold_path)
    assert [step.place for step in gold.steps] == [(0, 1), (0, 4), (0, 6), (1, 3)]
    said = [
        Prediction(dialogue=0, turn=1, **use('{"a": 2}')),
        Prediction(dialogue=0, turn=4, **use('{"a": 2}')),
        Prediction(dialogue=1, turn=3, **use("{}", "wether")),
    ]
    report = score(gold, {made.place: made for made in said}).report()
    counts = report["counts"]
    assert counts["plan_acc"] == {"sum": 2, "n": 4}
    assert counts["act_em"] == {"sum": 2, "n": 2}
    assert counts["hallucination"] == {"sum": 1, "n": 4}
    # The second call's gold cannot be read, and its name is right.
    assert counts["arg_f1"] == {"sum": 0.5, "n": 1}
    assert counts["rouge_l"] == {"sum": 0, "n": 1}
    assert [report[name] for name in METRICS] == [50, 100, 25, 50, 0]
    assert (
        counts | {"dialogues": 2, "steps": 4, "caller": 2, "summarizer": 1, "give_up": 1} == counts
    )
    assert report["missing"] == 1


def test_a_metric_that_nothing_counts_for_is_0_of_0(tmp_path: Path) -> None:
    report = score(load_gold(write(tmp_path / "g.json", GIVE_UP)), {}).report()
    assert report["rouge_l"] == 0
    assert report["counts"]["rouge_l"] == {"sum": 0, "n": 0}
    assert report["intervals"]["rouge_l"] is None


def test_faulty_gold_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "gold.json", turns("assistant: t Next: caller."), GIVE_UP)
    rows = json.loads(path.read_text())
    rows[1:1] = [7, {"tools": []}, {"tools": [{}], "conversations": []}, rows[1] | {"split": 3}]
    path.write_text(json.dumps(rows))
    gold = load_gold(path)
    report = score(gold, {}).report()
    assert [(f["dialogue"], f["reason"]) for f in report["malformed"]] == [
        (1, "a JSON object is expected, not int"),
        (2, "no field 'conversations'"),
        (3, "no field 'Name'"),
        (4, "'split' must be str, not int"),
    ]
    fault = {"dialogue": 0, "turn": 1, "reason": "'Next: caller' without a caller's turn after it"}
    assert report["gold_faults"] == [fault]
    assert [step.place for step in gold.steps] == [(0, 1), (5, 1)]
    path = lines(tmp_path / "p.jsonl", line(2, 1))
    with pytest.raises(UserError, match=r"p\.jsonl:1: dialogue 2 of .* cannot be read: no field"):
        read_predictions(path, gold)


def test_a_file_that_breaks_off_keeps_its_whole_dialogues(gold_path: Path) -> None:
    gold_path.write_text(gold_path.read_text()[:-40])
    gold = load_gold(gold_path)
    assert [d.index for d in gold.dialogues] == [0]
    assert [fault.dialogue for fault in gold.malformed] == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "JSON list"), ("[]", "nothing to score"), ("[1]", "dialogue 0: a JSON object")],
)
def test_gold_without_a_step_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "gold.json").write_text(text)
    with pytest.raises(UserError, match=words):
        load_gold(tmp_path / "gold.json")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not list"),
        (line(2, 1), "dialogue 2 does not exist; .* has 2, counted from 0"),
        (line(-1, 1), "dialogue -1 does not exist"),
        (line(0, 2), "turn 2 of dialogue 0 is not a scored step; those are 1, 4, 6"),
        (line(1, 1), "turn 1 of dialogue 1 is not a scored step; those are 3"),
        (line(0, 1), "dialogue 0, turn 1 was predicted in line 1 already"),
        (line("0", 1), "dialogue: .*integer; a prediction has the keys dialogue, turn, next"),
        (line(0, True), "turn: .*integer"),
        (line(0, 4) | {"next": "conclusion"}, "next: .*'summarizer'"),
        ({"dialogue": 0, "turn": 4}, "next: missing"),
        (line(0, 4, tool=3), "tool: .*string"),
        (line(0, 4, arguments=[1]), "arguments.str: "),
        (line(0, 4, answer={}), "answer: "),
        (line(0, 4, anwser="x"), "anwser: unknown key; a prediction has"),
    ],
)
def test_a_bad_line_is_told_in_one(bad: Any, words: str, gold_path: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", line(0, 1), "", bad)
    with pytest.raises(UserError, match=rf"p\.jsonl:3: .*{words}") as raised:
        read_predictions(path, load_gold(gold_path))
    assert "\n" not in str(raised.value)


def test_scores_by_split_and_group(tmp_path: Path) -> None:
    path = write(tmp_path / "gold.json", GIVE_UP, GIVE_UP, GIVE_UP)
    rows = json.loads(path.read_text())
    rows[0] |= {"split": "G1", "group": "x"}
    rows[1] |= {"split": "G2"}
    path.write_text(json.dumps(rows))
    made = Prediction(dialogue=0, turn=1, next="give_up")
    scored = score(load_gold(path), {made.place: made})
    report = scored.report()
    assert {value: means["plan_acc"]["value"] for value, means in report["by_split"].items()} == {
        "G1": 100,
        "G2": 0,
    }
    assert list(report["by_group"]) == ["x"]
    assert report["plan_acc"] == pytest.approx(100 / 3)
    assert len(static_table(scored).columns) == 5


def test_what_is_amiss_is_told_beside_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "gold.json", turns("assistant: t Next: caller."), GIVE_UP, 7)
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([*rows[:2], 7]))
    assert static_notes(score(load_gold(path), {}, ["too long", "too long"])) == [
        "2 of 2 steps have no prediction and count as wrong",
        "  2 of them: too long",
        "dialogue 2 cannot be read: a JSON object is expected, not int",
        "dialogue 0, turn 1: 'Next: caller' without a caller's turn after it",
    ]


@pytest.mark.parametrize("more", [[], ["--predictions", "p", "--bundle", "b"]])
def test_predictions_or_a_bundle(more: list[str], gold_path: Path) -> None:
    from umi_lite.cli.app import app

    done = CliRunner().invoke(app, ["eval", "static", "--gold", str(gold_path), *more])
    assert isinstance(done.exception, UserError)
    assert "--predictions" in str(done.exception)
    assert "--bundle" in str(done.exception)


def test_intervals_draw_clusters() -> None:
    """Half of 40 clusters of 25 equal steps are right: they err like 40 values, not 1,000."""
    sums, counts = [[25.0 * (i % 2)] for i in range(40)], [[25]] * 40
    (interval,) = cluster_intervals(sums, counts)
    assert interval is not None
    # The standard error is sqrt(0.25 / 40) = 0.079.
    assert interval.low == pytest.approx(0.5 - 1.96 * 0.079, abs=0.03)
    assert interval.high == pytest.approx(0.5 + 1.96 * 0.079, abs=0.03)
    assert cluster_intervals(sums[:1], counts[:1]) == [None]


def test_intervals_are_those_of_their_seed() -> None:
    sums, counts = [[i * 1.7 % 1] for i in range(40)], [[1]] * 40
    assert cluster_intervals(sums, counts) == cluster_intervals(sums, counts)
    assert cluster_intervals(sums, counts) != cluster_intervals(sums, counts, seed=1)


def test_a_draw_that_counts_nothing_says_nothing() -> None:
    (interval,) = cluster_intervals([[1.0], [1.0], *[[0.0]] * 8], [[1], [1], *[[0]] * 8])
    assert interval == (1, 1)


def test_the_command(gold_path: Path, tmp_path: Path) -> None:
    from umi_lite.cli.app import app

    path = lines(tmp_path / "p.jsonl", line(1, 3))
    asked = ["eval", "static", "--gold", str(gold_path), "--predictions", str(path)]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout.splitlines()[-1])
    assert [report[name] for name in METRICS] == [25, 0, 0, 0, 0]
    assert report["intervals"]["plan_acc"][0] == 0
    assert report["missing"] == 3
    shown = CliRunner().invoke(app, asked)
    assert all(name in shown.stdout for name in METRICS)
    assert "25.00" in shown.stdout
