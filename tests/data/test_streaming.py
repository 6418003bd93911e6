"""Large files are read in windows: what is held does not grow with the file."""

import itertools
import json
import tracemalloc
from pathlib import Path

import pytest

from umi_lite.data import toolbench
from umi_lite.data import window as window_of_text
from umi_lite.data.read_rows import jsonl_rows, list_rows
from umi_lite.errors import UserError

MEGA = 2**20
RECORD = {"tools": [], "conversations": [{"from": "user", "value": "é" * 3000}]}


def peak_of(rows) -> tuple[int, int]:
    """How many rows there are, and the most memory that reading them took."""
    tracemalloc.start()
    count = sum(row.value is not None for row in rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count, peak


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_of_30_mb_is_read_in_3(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "large.json"
    record = json.dumps(RECORD, indent=indent, ensure_ascii=False)
    count = 30 * MEGA // len(record.encode()) + 1
    path.write_text("[" + ",\n".join(itertools.repeat(record, count)) + "]")
    assert path.stat().st_size >= 30 * MEGA
    assert peak_of(list_rows(path, "records"))[0] == count
    assert peak_of(list_rows(path, "records"))[1] < 3 * MEGA


def test_a_broken_record_does_not_make_the_rest_be_held(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    record = json.dumps(RECORD)
    broken = record.replace("conversations", 'conver"sations')
    path.write_text("[" + ",".join([record, broken, *[record] * 1600]) + "]")
    assert path.stat().st_size >= 25 * MEGA
    count, peak = peak_of(list_rows(path, "records"))
    assert count == 1
    assert peak < 3 * MEGA


def test_lines_of_30_mb_are_read_in_1(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    line = json.dumps(RECORD) + "\n"
    count = 30 * MEGA // len(line) + 1
    path.write_text(line * count)
    assert peak_of(jsonl_rows(path, "rows")) < (count + 1, MEGA)
    assert peak_of(jsonl_rows(path, "rows"))[0] == count


def test_a_record_longer_than_the_window_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(window_of_text, "_WINDOW", 7)
    path = tmp_path / "small.json"
    records = [{"tools": [i], "a": 'é"{[' * i, "n": -1.5e3, "b": [True, None]} for i in range(40)]
    path.write_text(json.dumps(records, ensure_ascii=False, indent=2))
    read = list(list_rows(path, "records"))
    assert [row.value for row in read] == records
    assert [row.number for row in read] == list(range(1, 41))


@pytest.mark.parametrize("window", [1, 7, 64])
@pytest.mark.parametrize(
    "damage", [lambda good: good[:-5], lambda good: good.replace(":", "", 1), lambda _: "nope"]
)
def test_damage_reads_the_same_in_any_window(
    tmp_path: Path, monkeypatch, window: int, damage
) -> None:
    path = tmp_path / "data.json"
    good = json.dumps({"tools": [{"x": "}, {"}], "a": "b"})
    parts = [good, damage(good), good]
    path.write_text("[" + ", ".join(parts) + "]")
    whole = list(list_rows(path, "records"))
    monkeypatch.setattr(window_of_text, "_WINDOW", window)
    assert list(list_rows(path, "records")) == whole
    assert [row.value is not None for row in whole] == [True, False]


def test_n_stops_reading(tmp_path: Path) -> None:
    """What follows the n-th record is never read."""
    path = tmp_path / "large.json"
    path.write_text("[" + json.dumps(RECORD) + ", " + "broken " * 10)
    loaded = toolbench.load(path, 1)
    assert (len(loaded.trajectories), loaded.dropped) == (1, [])


def test_a_line_without_end_is_one_dropped_row(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("umi_lite.data.read_rows.MAX_RECORD", 100)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + "x" * 1000 + '\n{"a": 2}\n')
    rows = list(jsonl_rows(path, "rows"))
    assert [(row.number, row.value) for row in rows] == [(1, {"a": 1}), (2, None), (3, {"a": 2})]
    assert rows[1].fault == "the line is longer than 64 MiB"


@pytest.mark.parametrize("rows", [jsonl_rows, list_rows])
def test_utf16_and_folders_are_refused(tmp_path: Path, rows) -> None:
    path = tmp_path / "utf16"
    path.write_text('[{"a": 1}]', encoding="utf-16")
    with pytest.raises(UserError, match="not UTF-8"):
        list(rows(path, "rows"))
    with pytest.raises(UserError, match="cannot be read"):
        list(rows(tmp_path, "rows"))
