"""Files with twenty and more kinds of damage lose nothing but the damaged rows."""

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
def test_each_broken_record_of_a_list(tmp_path: Path, source: str, indent: int | None) -> None:
    load, record = LISTS[source]
    good = json.dumps(record, indent=indent)
    for name, broken in record_damage(good).items():
        path = tmp_path / "data.json"
        path.write_bytes(b"[" + b",\n".join([good.encode(), broken, good.encode()]) + b"]")
        loaded = load(path)
        assert len(loaded.trajectories) == 2, (name, loaded.dropped)
        assert loaded.dropped, name
        assert loaded.dropped[0].where.startswith(f"{path}:2"), (name, loaded.dropped)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("source", LISTS)
def test_all_broken_records_in_one_list(tmp_path: Path, source: str, indent: int | None) -> None:
    load, record = LISTS[source]
    good = json.dumps(record, indent=indent)
    damage = record_damage(good)
    parts = [good.encode()]
    for broken in damage.values():
        parts += [broken, good.encode()]
    path = tmp_path / "data.json"
    path.write_bytes(b"\xef\xbb\xbf[" + b",\r\n".join(parts) + b"]")
    loaded = load(path)
    assert len(loaded.trajectories) == 1 + len(damage), loaded.dropped
    assert len(loaded.dropped) >= len(damage)
    assert all("\n" not in drop.reason and len(drop.reason) < 200 for drop in loaded.dropped)


def test_broken_records_that_balance_are_each_one_row(tmp_path: Path) -> None:
    good = json.dumps(TOOLBENCH)
    broken = good[:-1] + ', "x": nope}'
    path = tmp_path / "data.json"
    path.write_text("[" + ", ".join([good, broken, broken, broken, good]) + "]")
    loaded = toolbench.load(path)
    assert [t.meta["record"] for t in loaded.trajectories] == [1, 5]
    assert [drop.where for drop in loaded.dropped] == [f"{path}:{i}" for i in (2, 3, 4)]


def test_a_missing_comma_between_records_loses_nothing(tmp_path: Path) -> None:
    good = json.dumps(TOOLBENCH)
    path = tmp_path / "data.json"
    path.write_text(f"[{good}\n{good}, {good},]")
    assert len(toolbench.load(path).trajectories) == 3


def test_a_cut_list_says_so(tmp_path: Path) -> None:
    good = json.dumps(TOOLBENCH)
    path = tmp_path / "data.json"
    path.write_text(f"[{good},\n{good}")
    loaded = toolbench.load(path)
    assert len(loaded.trajectories) == 2
    assert [drop.reason for drop in loaded.dropped] == [
        "not JSON from line 2 on: the list breaks off"
    ]
