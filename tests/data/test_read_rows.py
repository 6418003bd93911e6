"""Rows in whatever people keep them in."""

import gzip
import json

import pytest

from umi_lite.data import gsm8k, openai_chat, toolbench, traces
from umi_lite.data.read_rows import any_rows
from umi_lite.errors import UserError

ROWS = [{"a": i, "b": ["é", None]} for i in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
FORMS = {
    "lines.jsonl": LINES.encode(),
    "lines.json": LINES.encode(),
    "list.json": json.dumps(ROWS).encode(),
    "list.jsonl": json.dumps(ROWS, indent=1).encode(),
    "lines.jsonl.gz": gzip.compress(LINES.encode()),
    "list.json.gz": gzip.compress(b"\xef\xbb\xbf" + json.dumps(ROWS).encode()),
    "named as text.jsonl": gzip.compress(LINES.encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_one_kind_of_rows_in_many_forms(tmp_path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    rows = list(any_rows(path, "rows"))
    assert [row.value for row in rows] == ROWS
    assert [row.where for row in rows] == [f"{path}:{i}" for i in (1, 2, 3)]


def test_a_folder_and_one_object_over_many_lines(tmp_path) -> None:
    (tmp_path / "1.json").write_text(json.dumps(ROWS[0], indent=1))
    (tmp_path / "2.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    (tmp_path / "3.txt").write_text("not a row")
    assert [row.value for row in any_rows(tmp_path, "rows")] == [ROWS[0], *ROWS]


def test_a_list_or_gzip_where_a_source_reads_lines(tmp_path) -> None:
    rows = [{"question": "How many?", "answer": "x\n#### 2"}]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows))
    (made,) = gsm8k.questions(path).trajectories
    packed = tmp_path / "train.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    (again,) = gsm8k.questions(packed).trajectories
    assert made.gold == again.gold == "2"
    assert again.meta["split"] == made.meta["split"] == "train"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PK\x03\x04....", "a zip archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd....", "compressed by zstd"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page: download the file itself"),
        (gzip.compress(b"x" * 100_000, mtime=0)[:40], "the gzip file is broken or cut off"),
        (
            gzip.compress(LINES.encode(), mtime=0)[:-12] + b"x" * 12,
            "the gzip file is broken or cut off",
        ),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("load", [traces.load, toolbench.load, gsm8k.load])
def test_a_file_that_holds_no_rows_is_named(tmp_path, data: bytes, told: str, load) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        load(path)
    assert told in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_through_datasets(tmp_path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    hello = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    path = tmp_path / "chats.parquet"
    datasets.Dataset.from_list([{"messages": hello}] * 3).to_parquet(str(path))
    loaded = openai_chat.load(path, 2)
    assert [made.id for made in loaded.trajectories] == ["openai-chats-1", "openai-chats-2"]
    assert loaded.trajectories[0].steps[-1].text == "hello"
    # Its name does not matter, and a damaged one is one line.
    data = path.read_bytes()
    odd = tmp_path / "odd.jsonl"
    odd.write_bytes(data[:50])
    with pytest.raises(UserError, match=r"odd\.jsonl \(Parquet\): cannot be read") as caught:
        traces.load(odd)
    assert "\n" not in str(caught.value)


def test_parquet_without_datasets_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    path = tmp_path / "chats.parquet"
    path.write_bytes(b"PAR1....")
    with pytest.raises(UserError, match=r"chats\.parquet .*: pip install datasets"):
        openai_chat.load(path)
