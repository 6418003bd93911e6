"""Damage of many kinds: JSON lines lose the damaged lines, a JSON list what follows the first."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from umi_lite.data import gsm8k, math_problems, toolalpaca, toolbench, traces
from umi_lite.data import math_problems as math_source
from umi_lite.data.rows import Loaded

MESSAGES = [
    {"role": "user", "content": "Q?"},
    {"role": "assistant", "content": "Hm. It is $\\boxed{2}$."},
]
ROWS: dict[str, tuple[Callable[[Path], Loaded], dict]] = {
    "gsm8k": (gsm8k.questions, {"question": "How many?", "answer": "x\n#### 2"}),
    "math": (math_source.questions, {"problem": "How?", "solution": "\\boxed{\\frac{1}{2}}"}),
    "tora": (math_problems.load, {"messages": MESSAGES}),
    "traces": (
        traces.load,
        {"id": "a", "source": "s", "instruction": "i", "steps": [{"kind": "answer", "text": "t"}]},
    ),
}


def line_damage(good: bytes, first: str) -> dict[str, bytes]:
    """Lines, each broken in another way. `first` is the row's first field."""
    key = f'"{first}"'.encode()
    return {
        "truncated": good[:-3],
        "no brace": good[1:],
        "trailing comma": good[:-1] + b",}",
        "missing colon": good.replace(key + b":", key, 1),
        "missing quote": good.replace(key, key[:-1], 1),
        "single quotes": good.replace(b'"', b"'"),
        "two objects": good + good,
        "text behind": good + b" // comment",
        "null": b"null",
        "a number": b"17",
        "a list": b"[" + good + b"]",
        "a string": b'"' + key[1:-1] + b'"',
        "empty object": b"{}",
        "missing field": good.replace(key, b'"other"', 1),
        "null field": b'{"%s": null}' % first.encode(),
        "wrong type": b'{"%s": {"a": [1]}}' % first.encode(),
        "NUL byte": good[:5] + b"\x00" + good[5:],
        "bad UTF-8": good[:-2] + b'\xff\xfe"}',
        "cut UTF-8": good[:-2] + b'\xe2\x82"}',
        "key twice": good[:-1] + b", " + key + b': "again"}',
        "NaN": good[:-1] + b', "x": NaN}',
        "huge number": good[:-1] + b', "x": ' + b"9" * 5000 + b"}",
        "infinite number": good[:-1] + b', "x": 1e999}',
        "half a surrogate": good[:-1] + b', "x": "\\ud83d"}',
        "nested too deep": good[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "bad escape": good[:-1] + b', "x": "\\q"}',
        "NUL line": b"\x00" * 40,
        "markup": b"<html><body>502 Bad Gateway</body></html>",
    }


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("source", ROWS)
def test_lines(tmp_path: Path, source: str, end: bytes) -> None:
    load, row = ROWS[source]
    good = json.dumps(row).encode()
    damage = line_damage(good, next(iter(row)))
    lines = [b"\xef\xbb\xbf" + good, b""]
    for broken in damage.values():
        lines += [broken, good]
    path = tmp_path / "train.jsonl"
    path.write_bytes(end.join(lines))
    loaded = load(path)
    assert len(loaded.trajectories) == 1 + len(damage)
    wanted = {f"{path}:{3 + 2 * i}": name for i, name in enumerate(damage)}
    got = {drop.where: drop.reason for drop in loaded.dropped}
    assert [wanted.get(where, where) for where in got] == list(damage)
    assert all(reason.strip() and "\n" not in reason for reason in got.values())
    assert all(len(reason) < 200 for reason in got.values()), got


TOOL = {"Name": "f", "function": 'Does {f}, "[so".', "input": {"x": "string, an {x}"}}
TOOLBENCH = {
    "tools": [TOOL],
    "instruction": "Do f.",
    "conversations": [
        {"from": "user", "value": 'Do "f" {[.'},
        {"from": "assistant", "value": "Think }]}.\n Next: caller."},
        {"from": "caller", "value": 'Action: f\nAction Input: {"x": "1, {"}'},
        {"from": "observation", "value": '{"conversations": [], "a": "}, {"}'},
        {"from": "assistant", "value": "Known.\n Next: conclusion."},
        {"from": "conclusion", "value": "It is 2."},
    ],
}
SPEC = {"paths": {"/f": {"get": {"parameters": [{"name": "x", "schema": {"type": "string"}}]}}}}
TOOLALPACA = {
    "Name": "A",
    "Documentation": json.dumps(SPEC),
    "Function_Projection": {"f": ["/f", "get"]},
    "Instances": [
        {
            "input": "Do f.",
            "output": "It is {2}.",
            "Final Thought": "Known.",
            "intermediate_steps": [[["f", '{"x": "1"}', "Do.\nAction: f\nAction Input: {}"], "2"]],
        }
    ],
}
LISTS: dict[str, tuple[Callable[[Path], Loaded], dict]] = {
    "toolbench": (toolbench.load, TOOLBENCH),
    "toolalpaca": (toolalpaca.load, TOOLALPACA),
}


def record_damage(good: str) -> dict[str, bytes]:
    """Records of a list, each broken in another way."""
    text = good.encode()
    comma = text.index(b",")
    return {
        "truncated": text[: len(text) // 2],
        "truncated in a string": text[: text.index(b"Do") + 1],
        "no opening brace": text.replace(b"{", b"", 1),
        "no closing brace": text[: text.rindex(b"}")],
        "no closing bracket": text[: text.rindex(b"]")] + text[text.rindex(b"]") + 1 :],
        "trailing comma": text[: text.rindex(b"}")].rstrip() + b",}",
        "missing comma": text[:comma] + text[comma + 1 :],
        "missing colon": text.replace(b":", b"", 1),
        "missing quote": text.replace(b'"', b"", 1),
        "missing closing quote": text.replace(b'":', b":", 1),
        "null": b"null",
        "a number": b"17",
        "a string": b'"conversations, }"',
        "a list": b"[1, [2, {}]]",
        "empty object": b"{}",
        "null field": b'{"tools": null, "Name": null, "conversations": []}',
        "wrong type": b'{"tools": 3, "Name": 4, "conversations": {}}',
        "nested wrong type": text.replace(b'"Do f."', b"[3]").replace(b'"Do \\"f\\" {[."', b"3"),
        "NUL byte": text[:20] + b"\x00" + text[20:],
        "bad UTF-8": text.replace(b"Do", b"D\xff\xfe", 1),
        "raw line break": text.replace(b"Do", b"D\no", 1),
        "NaN": text[: text.rindex(b"}")] + b', "x": NaN}',
        "not a word": text[: text.rindex(b"}")] + b', "x": nope}',
        "huge number": text[: text.rindex(b"}")] + b', "x": ' + b"9" * 5000 + b"}",
        "key twice": text[: text.rindex(b"}")] + b', "a": 1, "a": 2}',
        "half a surrogate": text[: text.rindex(b"}")] + b', "x": "\\udc00"}',
        "bad escape": text.replace(b"Do", b"\\q", 1),
        "text": b"garbage",
        "nothing": b"",
    }


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("source", LISTS)
def test_a_list_ends_at_its_first_broken_record(
    tmp_path: Path, source: str, indent: int | None
) -> None:
    load, record = LISTS[source]
    good = json.dumps(record, indent=indent)
    line = 2 + good.count("\n")
    for name, broken in record_damage(good).items():
        path = tmp_path / "data.json"
        path.write_bytes(b"\xef\xbb\xbf[" + b",\n".join([good.encode(), broken] * 2) + b"]")
        loaded = load(path)
        (drop, *more) = loaded.dropped
        assert drop.where.startswith(f"{path}:2"), (name, drop)
        assert "\n" not in drop.reason and len(drop.reason) < 200, (name, drop)
        if "nothing after it" in drop.reason:
            at = line + (name == "no opening brace" and indent is not None)
            assert drop.reason.startswith(f"not JSON from line {at} on: "), (name, drop)
            assert "(1 before it were read, nothing after it)" in drop.reason, (name, drop)
            assert (len(loaded.trajectories), more) == (1, []), name
        else:
            assert name in NOT_BROKEN, (name, drop)
            assert len(loaded.trajectories) == 2, (name, loaded.dropped)


# JSON, but not what the source reads: only this record is lost.
NOT_BROKEN = {
    *("null", "a number", "a string", "a list", "empty object", "null field", "wrong type"),
    *("nested wrong type", "NaN", "huge number", "key twice", "half a surrogate", "bad UTF-8"),
}


def test_a_missing_comma_between_records_loses_nothing(tmp_path: Path) -> None:
    good = json.dumps(TOOLBENCH)
    path = tmp_path / "data.json"
    path.write_text(f"[{good}\n{good}, {good},]")
    assert len(toolbench.load(path).trajectories) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[{}, {}", "line 1 on: the list breaks off (2 before it were read, nothing after it)"),
        ("[", "line 1 on: the list breaks off (nothing before it was read, nothing after it)"),
        ("[{}]\n{}", "line 2 on: more text after the end of the list (1 before it were read, "),
    ],
)
def test_a_cut_list_says_so(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text.replace("{}", json.dumps(TOOLBENCH)))
    loaded = toolbench.load(path)
    assert len(loaded.trajectories) == text.split("]")[0].count("{}")
    (drop,) = loaded.dropped
    assert drop.reason.startswith(f"not JSON from {reason}")
