"""The points of static evaluation, worked out by hand, clause by clause."""

import json
from pathlib import Path
from typing import Any

import pytest

from umi_lite.evals.static import StaticScore, score
from umi_lite.evals.static_files import Prediction, load_gold
from umi_lite.evals.static_metrics import METRICS

LONG = "the_forecast_of_the_next_fourteen_days_for_any_city_of_the_world"
MARK = "invalid_hallucination_function_name"
TOOLS = ["weather", "news", LONG[-64:]]
TAG = {"caller": "Next: caller.", "summarizer": "Next: conclusion.", "give_up": "Next: give up."}


def turns(*said: str) -> list[dict[str, str]]:
    """`who: text` as turns behind the user's."""
    parts = (text.split(": ", 1) for text in ("user: hi", *said))
    return [{"from": who, "value": value} for who, value in parts]


def call(arguments: str, tool: str = "weather") -> list[dict[str, str]]:
    return turns("assistant: t Next: caller.", f"caller: Action: {tool}\nAction Input: {arguments}")


def end(answer: str) -> list[dict[str, str]]:
    return turns("assistant: t Next: conclusion.", f"conclusion: {answer}")


def use(arguments: Any = None, tool: str | None = "weather", who: str = "caller") -> dict[str, Any]:
    return {"next": who, "tool": tool, "arguments": arguments}


def say(answer: str | None, who: str = "summarizer") -> dict[str, Any]:
    return {"next": who, "answer": answer}


QUIT = {"next": "give_up"}
NOBODY = {"next": "none"}
TWO = '{"city": "Oslo", "days": 2}'
# The decision is right and nothing else counts.
DECIDED = (100, None, 0, None, None)
GIVE_UP = turns("assistant: t Next: give up.")

# Gold, prediction (None: it is missing), and by hand in percent: Plan ACC, Act. EM, Hallu.,
# Arg. F1, R-L; None where the step does not count for the metric.
ROWS: list[tuple[str, Any, Any, tuple[float | None, ...]]] = [
    # Plan ACC: a three-way match; nobody is never right.
    ("call, call", call("{}"), use("{}"), (100, 100, 0, 100, None)),
    ("call, finish", call("{}"), say("x"), (0, 0, 0, 0, None)),
    ("call, give up", call("{}"), QUIT, (0, 0, 0, 0, None)),
    ("call, nobody", call("{}"), NOBODY, (0, 0, 0, 0, None)),
    ("call, missing", call("{}"), None, (0, 0, 0, 0, None)),
    ("finish, call", end("x"), use("{}"), (0, None, 0, None, 0)),
    ("finish, finish", end("x"), say("x"), (100, None, 0, None, 100)),
    ("finish, give up", end("x"), QUIT, (0, None, 0, None, 0)),
    ("finish, nobody", end("x"), NOBODY, (0, None, 0, None, 0)),
    ("finish, missing", end("x"), None, (0, None, 0, None, 0)),
    ("give up, call", GIVE_UP, use("{}"), (0, None, 0, None, None)),
    ("give up, finish", GIVE_UP, say("x"), (0, None, 0, None, None)),
    ("give up, give up", GIVE_UP, QUIT, DECIDED),
    ("give up, nobody", GIVE_UP, NOBODY, (0, None, 0, None, None)),
    ("give up, missing", GIVE_UP, None, (0, None, 0, None, None)),
    # Act. EM: the exact name; no call is wrong. Hallu.: a name that is not in the tool list.
    ("another tool", call(TWO), use(TWO, "news"), (100, 0, 0, 0, None)),
    ("no such tool", call(TWO), use(TWO, "wether"), (100, 0, 100, 0, None)),
    ("a longer name", call(TWO), use(TWO, "weather_now"), (100, 0, 100, 0, None)),
    ("a part of a name", call(TWO), use(TWO, "weath"), (100, 0, 100, 0, None)),
    ("another case", call(TWO), use(TWO, "Weather"), (100, 0, 100, 0, None)),
    ("a blank behind", call(TWO), use(TWO, "weather "), (100, 0, 100, 0, None)),
    ("an empty name", call(TWO), use(TWO, ""), (100, 0, 100, 0, None)),
    ("no call", call(TWO), use(TWO, None), (100, 0, 0, 0, None)),
    ("a call of none", call(TWO), use(TWO, "none"), (100, 0, 0, 0, None)),
    ("64 characters", call("{}", LONG[-64:]), use("{}", LONG[-64:]), (100, 100, 0, 100, None)),
    ("more than 64", call("{}", LONG[-64:]), use("{}", "x" + LONG), (100, 0, 100, 0, None)),
    ("a tool where an end is due", end("x"), use("{}", "news"), (0, None, 0, None, 0)),
    ("no tool where an end is due", end("x"), use("{}", "nws"), (0, None, 100, None, 0)),
    ("no tool where to give up", GIVE_UP, use("{}", "nws"), (0, None, 100, None, None)),
    ("gold calls the mark", call("{}", MARK), use("{}"), (100, 0, 0, 0, None)),
    ("both call the mark", call("{}", MARK), use("{}", MARK), (100, 100, 100, 100, None)),
    # Each metric reads its own field.
    ("a call by nobody", call(TWO), use(TWO, who="none"), (0, 100, 0, 100, None)),
    ("an answer by nobody", end("x"), say("x", "none"), (0, None, 0, None, 100)),
    ("an answer with a call", call("{}"), use("{}") | {"answer": "x"}, (100, 100, 0, 100, None)),
    # Arg. F1. A key with its value is 1, a key alone 0.5.
    ("both keys", call(TWO), use(TWO), (100, 100, 0, 100, None)),
    ("as an object", call(TWO), use({"city": "Oslo", "days": 2}), (100, 100, 0, 100, None)),
    ("in another order", call(TWO), use('{"days":2,"city":"Oslo"}'), (100, 100, 0, 100, None)),
    # 1.5 of 2 and of 2.
    ("another value", call(TWO), use('{"city": "Rome", "days": 2}'), (100, 100, 0, 75, None)),
    ("another case in it", call(TWO), use('{"city": "oslo", "days": 2}'), (100, 100, 0, 75, None)),
    ("text for a number", call(TWO), use('{"city": "Oslo", "days": "2"}'), (100, 100, 0, 75, None)),
    ("2.0 is 2", call(TWO), use('{"city": "Oslo", "days": 2.0}'), (100, 100, 0, 100, None)),
    # P 1 of 1, R 1 of 2.
    ("a key less", call(TWO), use('{"city": "Oslo"}'), (100, 100, 0, 200 / 3, None)),
    # P 2 of 3, R 2 of 2.
    ("a key more", call(TWO), use(TWO[:-1] + ', "x": 1}'), (100, 100, 0, 80, None)),
    # P 0.5 of 1, R 0.5 of 2.
    ("one wrong value only", call(TWO), use('{"city": "Rome"}'), (100, 100, 0, 100 / 3, None)),
    # P 1.5 of 3, R 1.5 of 2.
    (
        "all of it",
        call(TWO),
        use('{"city": "Rome", "days": 2, "x": 0}'),
        (100, 100, 0, 60, None),
    ),
    ("both values wrong", call(TWO), use('{"city": "A", "days": 1}'), (100, 100, 0, 50, None)),
    ("other keys", call(TWO), use('{"town": "Oslo", "d": 2}'), (100, 100, 0, 0, None)),
    ("a key in another case", call('{"a": 1}'), use('{"A": 1}'), (100, 100, 0, 0, None)),
    ("a null value", call('{"a": null}'), use('{"a": null}'), (100, 100, 0, 100, None)),
    ("null is a value", call('{"a": null}'), use("{}"), (100, 100, 0, 0, None)),
    ("nested, equal", call('{"a": {"b": 1}}'), use('{"a":{"b":1}}'), (100, 100, 0, 100, None)),
    ("nested, unequal", call('{"a": {"b": 1}}'), use('{"a":{"b":2}}'), (100, 100, 0, 50, None)),
    ("a list's order", call('{"a": [1, 2]}'), use('{"a": [2, 1]}'), (100, 100, 0, 50, None)),
    ("escaped letters", call('{"a": "\u00e9"}'), use('{"a": "\\u00e9"}'), (100, 100, 0, 100, None)),
    ("the last of two", call('{"a": 2}'), use('{"a": 1, "a": 2}'), (100, 100, 0, 100, None)),
    ("the name is wrong", call(TWO), use(TWO, "news"), (100, 0, 0, 0, None)),
    # Empty objects.
    ("both empty", call("{}"), use("{}"), (100, 100, 0, 100, None)),
    ("both empty, an object", call("{}"), use({}), (100, 100, 0, 100, None)),
    ("empty and a wrong name", call("{}"), use("{}", "news"), (100, 0, 0, 0, None)),
    ("gold empty, said not", call("{}"), use('{"a": 1}'), (100, 100, 0, 0, None)),
    ("said empty, gold not", call(TWO), use("{}"), (100, 100, 0, 0, None)),
    ("none given, gold empty", call("{}"), use(None), (100, 100, 0, 100, None)),
    ("none given, gold not", call(TWO), use(None), (100, 100, 0, 0, None)),
    # What is said and is no JSON object.
    ("broken off", call(TWO), use('{"city": "Oslo", "da'), (100, 100, 0, 0, None)),
    ("broken off, gold empty", call("{}"), use("{"), (100, 100, 0, 0, None)),
    ("an empty text", call("{}"), use(""), (100, 100, 0, 0, None)),
    ("single quotes", call(TWO), use("{'city': 'Oslo', 'days': 2}"), (100, 100, 0, 0, None)),
    ("a line break in a text", call('{"a": "x y"}'), use('{"a": "x\ny"}'), (100, 100, 0, 0, None)),
    ("a list", call(TWO), use('["Oslo", 2]'), (100, 100, 0, 0, None)),
    ("a text", call(TWO), use('"Oslo"'), (100, 100, 0, 0, None)),
    ("a written null", call("{}"), use("null"), (100, 100, 0, 0, None)),
    ("too many digits", call(TWO), use('{"days": ' + 5000 * "1" + "}"), (100, 100, 0, 0, None)),
    ("too many brackets", call(TWO), use(100_000 * "["), (100, 100, 0, 0, None)),
    # What is gold and is no JSON object: left out where the name is right.
    ("gold broken, right", call('{"a"'), use('{"a": 1}'), (100, 100, 0, None, None)),
    ("gold and said broken", call('{"a"'), use('{"a"'), (100, 100, 0, None, None)),
    ("gold broken, wrong", call('{"a"'), use('{"a": 1}', "news"), (100, 0, 0, 0, None)),
    ("gold broken, no call", call('{"a"'), QUIT, (0, 0, 0, 0, None)),
    ("gold broken, missing", call('{"a"'), None, (0, 0, 0, 0, None)),
    ("gold is a list", call("[1]"), use("[1]"), (100, 100, 0, None, None)),
    ("gold is blank", call(""), use("{}"), (100, 100, 0, None, None)),
    # R-L: distinct words, longest common subsequences of sentences that end at full stops.
    ("no answer is the word none", end("none of them"), say(None), (100, None, 0, None, 50)),
    ("nor is an empty one", end("none of them"), say(""), (100, None, 0, None, 50)),
    ("nor a blank one", end("none of them"), say(" \n"), (100, None, 0, None, 50)),
    ("nor a full stop", end("none of them"), say("."), (100, None, 0, None, 50)),
    ("nor full stops", end("none of them"), say("..."), (100, None, 0, None, 50)),
    ("nor a comma", end("none of them"), say(","), (100, None, 0, None, 50)),
    ("a missing one is none too", end("none of them"), None, (0, None, 0, None, 50)),
    ("gold without a word", end(""), say("x"), (100, None, 0, None, 0)),
    ("a word of three differs", end("it is a"), say("it is b"), (100, None, 0, None, 200 / 3)),
    ("the order counts", end("a b c"), say("c b a"), (100, None, 0, None, 100 / 3)),
    # P 2 of 2, R 2 of 4.
    ("half of it", end("a b c d"), say("a c"), (100, None, 0, None, 200 / 3)),
    # P 2 of 4, R 2 of 2.
    ("twice of it", end("a c"), say("a b c d"), (100, None, 0, None, 200 / 3)),
    ("a word counts once", end("a"), say("a a a"), (100, None, 0, None, 100)),
    ("the case counts", end("a"), say("A"), (100, None, 0, None, 0)),
    ("a comma is of its word", end("a b"), say("a, b"), (100, None, 0, None, 50)),
    ("any blanks part words", end("a b c"), say("a\n b\tc"), (100, None, 0, None, 100)),
    ("a last full stop is nothing", end("a b"), say("a b."), (100, None, 0, None, 100)),
    # The sentence behind it holds the empty word: P 1 of 2, R 1 of 1.
    ("a blank behind it is", end("a"), say("a. "), (100, None, 0, None, 200 / 3)),
    ("sentences in any order", end("a. b c"), say("b c. a"), (100, None, 0, None, 100)),
    # {3} of {3, 14} and of {3, 15}.
    ("a number's point parts", end("3.14"), say("3.15"), (100, None, 0, None, 50)),
    # Of "a b" and "b a", b is kept; so a is common only where a sentence says it again.
    ("of equal ones the last", end("a b"), say("b a. b"), (100, None, 0, None, 50)),
    ("and the union of them", end("a b"), say("b a. a"), (100, None, 0, None, 100)),
    ("an answer for a call", call("{}"), say("x"), (0, 0, 0, 0, None)),
    # What the gold is.
    (
        "a tag without its stop",
        turns("assistant: t Next: give up"),
        QUIT,
        DECIDED,
    ),
    ("blanks behind the tag", turns("assistant: Next: give up. \n"), QUIT, DECIDED),
    ("a tag alone", turns("assistant: Next: give up."), QUIT, DECIDED),
    ("a call without arguments", turns("assistant: Next: caller.", "caller: Action: news"),
     use("{}", "news"), (100, 100, 0, 100, None)),
    ("a name with blanks", call("{}", " weather "), use("{}"), (100, 100, 0, 100, None)),
    ("no turn behind a call", turns("assistant: Next: caller."), use("{}"), DECIDED),
    ("no call behind a call", turns("assistant: Next: caller.", "observation: x"), use("{}", "nws"),
     (100, None, 100, None, None)),
    ("no action in a call", turns("assistant: Next: caller.", "caller: weather {}"), use("{}"),
     DECIDED),
    ("no turn behind an end", turns("assistant: Next: conclusion."), say("x"),
     DECIDED),
    ("the last of two tags", turns("assistant: Next: caller. No. Next: give up."), QUIT,
     DECIDED),
]  # fmt: skip


def write(path: Path, *conversations: Any, **fields: Any) -> Path:
    tools = [{"Name": name, "function": "", "input": {}} for name in TOOLS]
    rows = [{"tools": tools, "conversations": turns, **fields} for turns in conversations]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def scored(path: Path, *predictions: Prediction) -> StaticScore:
    return score(load_gold(path), {made.place: made for made in predictions})


@pytest.mark.parametrize(
    ("gold", "made", "hand"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_points(gold: Any, made: Any, hand: tuple[float | None, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "gold.json", gold)
    said = [] if made is None else [Prediction(dialogue=0, turn=1, **made)]
    got = scored(path, *said)
    values = tuple(got.means[name].value if got.means[name].n else None for name in METRICS)
    assert values == pytest.approx(hand, abs=1e-5)
    assert got.missing == (made is None)


def test_the_table_is_as_long_as_promised() -> None:
    assert len(ROWS) >= 60
    assert len({row[0] for row in ROWS}) == len(ROWS)
    assert len(LONG) == 64
