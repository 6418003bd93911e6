"""The metrics computed a second time, from their definitions and by other means.

Nothing of the first computation's is used but its command line: gold is read from the JSON, F1 is
2s / (|pred| + |gold|), the longest common subsequence is found by memory of suffixes and the rest
is sums in a loop. What is predicted for the dialogues at hand is the gold, spoilt in many ways.
"""

import json
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from datafiles import data_file
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.evals.static_metrics import rouge_l

WORDS = {"caller": "caller", "conclusion": "summarizer", "give up": "give_up"}


def gold_steps(dialogues: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for d, dialogue in enumerate(dialogues):
        said = dialogue["conversations"]
        for t, turn in enumerate(said):
            if turn["from"] != "assistant":
                continue
            for word, who in WORDS.items():
                if turn["value"].rstrip().rstrip(".").endswith(f"Next: {word}"):
                    step = {"dialogue": d, "turn": t, "next": who}
                    step |= {"tool": None, "arguments": None, "answer": None}
                    if who == "caller":
                        head, _, arguments = said[t + 1]["value"].partition("\nAction Input: ")
                        step |= {"tool": head.removeprefix("Action: "), "arguments": arguments}
                    if who == "summarizer":
                        step["answer"] = said[t + 1]["value"]
                    yield step


def spoilt(step: dict[str, Any], tools: list[str], dice: random.Random) -> dict[str, Any] | None:
    """A prediction that is the gold, or wrong in one or two ways; None leaves it out."""
    made = dict(step)
    for _ in range(dice.choice([0, 1, 1, 1, 2])):
        match dice.choice(["next", "next", "tool", "lie", "call", "mute", "gone", *["text"] * 6]):
            case "next":
                made["next"] = dice.choice(["caller", "summarizer", "give_up", "none"])
            case "tool":
                made["tool"] = dice.choice(tools)
            case "lie":
                made["tool"] = (made["tool"] or tools[0]) + dice.choice(["", "_2", " "])
            case "call":
                made |= {"tool": dice.choice([*tools, "none"]), "arguments": "{}"}
            case "mute":
                made |= {"tool": None, "arguments": None, "answer": dice.choice([None, "", "."])}
            case "gone":
                return None
            case _ if made["answer"] is not None:
                made["answer"] = spoilt_answer(made["answer"], dice)
            case _ if made["arguments"] is not None:
                made["arguments"] = spoilt_arguments(made["arguments"], dice)
    return made


def spoilt_answer(text: str, dice: random.Random) -> str:
    words = text.split(" ")
    match dice.randrange(5):
        case 0:
            dice.shuffle(words)
        case 1:
            words = words[: len(words) // 2]
        case 2:
            words = [word for word in words if dice.random() < 0.7]
        case 3:
            words += dice.choices(words, k=5)
        case _:
            words = [word.replace(".", "") + dice.choice(["", ".", ". "]) for word in words]
    return " ".join(words)


def spoilt_arguments(text: Any, dice: random.Random) -> Any:
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
    if not isinstance(value, dict):
        return text
    keys = list(value)
    match dice.randrange(7):
        case 0 if keys:
            del value[dice.choice(keys)]
        case 1 if keys:
            value[dice.choice(keys)] = dice.choice(["other", 1, None, True, [1], {"a": "b"}])
        case 2:
            value[f"key{dice.randrange(3)}"] = "more"
        case 3:
            return json.dumps(value)[:-1]
        case 4:
            return dice.choice(["", "null", "[]", "city=Oslo", '"text"', None])
        case 5:
            return value
        case _:
            value = dict(reversed(value.items()))
    return json.dumps(value)


def f1(gold: str, said: Any) -> Fraction:
    """Of gold that can be read and a name that is right."""
    wanted = json.loads(gold)
    if said is None:
        said = "{}"
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except ValueError:
            return Fraction(0)
    if not isinstance(said, dict):
        return Fraction(0)
    if wanted == said == {}:
        return Fraction(1)
    halves = 0  # s is half of it, and F = 2s / (|pred| + |gold|)
    for key in wanted:
        if key in said:
            halves += 2 if said[key] == wanted[key] else 1
    return Fraction(halves, len(wanted) + len(said))


def f_of_rouge(said: str, true: str) -> float:
    def parts(text: str) -> list[tuple[str, ...]]:
        split = [re.sub(r"\s+", " ", part).strip() for part in text.split(".") if part != ""]
        return [tuple(part.split(" ")) for part in split]

    def common(true: tuple[str, ...], said: tuple[str, ...]) -> set[str]:
        """Of the longest ones: last words first, the hypothesis shortened before the reference."""

        @cache
        def length(i: int, j: int) -> int:
            if i == 0 or j == 0:
                return 0
            if true[i - 1] == said[j - 1]:
                return length(i - 1, j - 1) + 1
            return max(length(i - 1, j), length(i, j - 1))

        for i in range(len(true) + 1):
            for j in range(len(said) + 1):
                length(i, j)
        found, i, j = set(), len(true), len(said)
        while length(i, j):
            if true[i - 1] == said[j - 1]:
                found, i, j = found | {true[i - 1]}, i - 1, j - 1
            elif length(i, j - 1) >= length(i - 1, j):
                j -= 1
            else:
                i -= 1
        return found

    one, other = parts(true), parts(said)
    both: set[str] = set().union(*(common(t, s) for t in one for s in other))
    p = len(both) / len({word for part in other for word in part})
    r = len(both) / len({word for part in one for word in part})
    return 2 * p * r / (p + r + 1e-8)


def second(
    dialogues: list[dict[str, Any]], predictions: list[dict[str, Any]]
) -> dict[str, tuple[float, int]]:
    """Metric: percent, and how many steps counted."""
    said = {(made["dialogue"], made["turn"]): made for made in predictions}
    right = steps = names = calls = invented = read = ends = 0
    matched, overlap = Fraction(0), 0.0
    for step in gold_steps(dialogues):
        nobody = {"next": "none", "tool": None, "arguments": None, "answer": None}
        made = said.get((step["dialogue"], step["turn"]), nobody)
        known = [tool["Name"] for tool in dialogues[step["dialogue"]]["tools"]]
        steps += 1
        right += made["next"] == step["next"]
        invented += made["tool"] not in (None, "none", *known)
        if step["next"] == "caller":
            calls += 1
            names += made["tool"] == step["tool"]
            read += 1
            if made["tool"] == step["tool"]:
                try:
                    json.loads(step["arguments"])
                except ValueError:
                    read -= 1
                    continue
                matched += f1(step["arguments"], made["arguments"])
        if step["next"] == "summarizer":
            ends += 1
            answer = made["answer"]
            if answer is None or re.fullmatch(r"[\s.,]*", answer):
                answer = "none"
            overlap += f_of_rouge(answer, step["answer"])
    return {
        "plan_acc": (100 * right / steps, steps),
        "act_em": (100 * names / calls, calls),
        "hallucination": (100 * invented / steps, steps),
        "arg_f1": (float(100 * matched / read), read),
        "rouge_l": (100 * overlap / ends, ends),
    }


@pytest.mark.parametrize("seed", range(3))
def test_both_agree(seed: int, tmp_path: Path) -> None:
    path = data_file("toolbench/static_dev.json")
    dialogues = json.loads(path.read_text(encoding="utf-8"))
    dice = random.Random(seed)
    if seed:
        # All the published gold can be read: here some of it cannot.
        for turn in (turn for d in dialogues for turn in d["conversations"]):
            if turn["from"] == "caller" and dice.random() < 0.1:
                turn["value"] = turn["value"][:-1]
        path = tmp_path / "gold.json"
        path.write_text(json.dumps(dialogues), encoding="utf-8")
    predictions = []
    for step in gold_steps(dialogues):
        tools = [tool["Name"] for tool in dialogues[step["dialogue"]]["tools"]]
        made = spoilt(step, tools, dice)
        predictions += [] if made is None else [made]
    dice.shuffle(predictions)
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(made) + "\n" for made in predictions))
    asked = ["eval", "static", "--gold", str(path), "--predictions", str(tmp_path / "p.jsonl")]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout.splitlines()[-1])
    for name, (value, n) in second(dialogues, predictions).items():
        assert report[name] == pytest.approx(value, abs=1e-9, rel=0), name
        assert report["counts"][name]["n"] == n, name
        # None of them is at an end, where disagreement would not show.
        assert 1 < value < 99, name
        low, high = report["intervals"][name]
        assert low < value < high
    assert report["counts"]["arg_f1"]["n"] < 777 if seed else report["counts"]["steps"] == 1058
    assert report["missing"] == 1058 - len(predictions) > 0


def test_rouge_is_the_package_s() -> None:
    """`rouge` 1.0.1 with its defaults, on texts in which words repeat and ties are frequent."""
    package = pytest.importorskip("rouge").Rouge(metrics=["rouge-l"])
    dice = random.Random(0)
    pieces = ["a", "b", "c", "d", "A", "a,", ".", ". ", "\n", " ", "3.14", "..", "é"]
    for _ in range(2000):
        texts = [" ".join(dice.choices(pieces, k=dice.randrange(1, 14))) for _ in range(2)]
        if all(text.replace(".", "") for text in texts):
            (theirs,) = package.get_scores(*texts)
            assert rouge_l(*texts) == theirs["rouge-l"]["f"], texts


def test_rouge_is_the_package_s_on_real_answers() -> None:
    package = pytest.importorskip("rouge").Rouge(metrics=["rouge-l"])
    path = data_file("toolbench/static_dev.json")
    dialogues = json.loads(path.read_text(encoding="utf-8"))
    texts = [step["answer"] for step in gold_steps(dialogues) if step["answer"]]
    dice = random.Random(0)
    for true in texts:
        for said in (spoilt_answer(true, dice), dice.choice(texts)):
            if said.replace(".", ""):
                (theirs,) = package.get_scores(said, true)
                assert rouge_l(said, true) == theirs["rouge-l"]["f"]
