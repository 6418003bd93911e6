"""The everyday tools: useful without set-up, kept over processes, and within the named folder."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from umi_lite.data.toolsets import toolset
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call
from umi_lite.tools.everyday import everyday
from umi_lite.tools.tools import Toolbox


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path / "data"))


def ask(box: Toolbox, tool: str, /, **arguments: object) -> str:
    return box.call(Call(tool=tool, arguments=arguments)).content


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("calculator", {"expression": "2340 * 0.17 / 12"}, "33.15"),
        ("calculator", {"expression": "17% of 2,340"}, "397.8"),
        ("calculator", {"expression": "1,500 × 3 ÷ 2"}, "2250"),
        ("calculator", {"expression": "17 % 5"}, "2"),
        ("calculator", {"expression": "__import__('os')"}, "cannot read __import__('os')"),
        ("convert", {"value": 5, "unit": "miles", "to": "km"}, "8.05"),
        ("convert", {"value": 5, "unit": "Mile", "to": "kilometers"}, "8.05"),
        ("convert", {"value": 2, "unit": "lbs", "to": "g"}, "907.18"),
        ("convert", {"value": 5, "unit": "miles", "to": "kg"}, "miles is length, kg is mass"),
        ("add_days", {"date": "2024-02-28", "days": 2}, "2024-03-01"),
        ("days_between", {"start": "2026-01-01", "end": "2026-12-25"}, "358"),
        ("weekday", {"date": "2026-11-30"}, "Monday"),
        ("word_count", {"text": "one two  three"}, "3"),
        ("upper", {"text": "loud"}, "LOUD"),
        ("python", {"code": "print(sum(range(5)))"}, "10"),
    ],
)
def test_each_tool_says_what_is_right(name: str, arguments: dict[str, object], result: str) -> None:
    assert result in ask(everyday(), name, **arguments)


def test_today_is_today() -> None:
    assert datetime.date.today().isoformat() in ask(everyday(), "today")


def test_todos_are_kept_for_the_next_process() -> None:
    assert ask(everyday(), "todo_add", item="buy milk") == "added buy milk"
    code = "from umi_lite.tools.everyday import everyday\n"
    code += "from umi_lite.protocol.trajectory import Call\n"
    code += "box = everyday()\n"
    code += "for i in range(20): box.call(Call(tool='todo_add', arguments={'item': NAME + str(i)}))"
    running = [
        subprocess.Popen([sys.executable, "-c", code.replace("NAME", repr(name))])
        for name in ("a", "b")
    ]
    assert [process.wait() for process in running] == [0, 0]
    box = everyday()
    assert "did you mean buy milk?" in ask(box, "todo_done", item="buy milc")
    assert ask(box, "todo_done", item="buy milk") == "done buy milk"
    names = set(ask(box, "todo_list").split(", "))
    assert names == {f"{name}{i}" for name in "ab" for i in range(20)}


def test_only_files_of_the_named_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "trip.txt").write_text("Rome in May\nbook the train\n")
    (folder / "deep" / "list.txt").write_text("milk\n")
    (folder / ".hidden").write_text("secret")
    (folder / "photo.bin").write_bytes(b"\x00\x01")
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    assert "list_files" not in {tool.name for tool in everyday().specs}
    box = toolset(f"everyday={folder}", lambda _: None)
    assert ask(box, "list_files") == "deep/list.txt, photo.bin, trip.txt"
    assert "Rome in May" in ask(box, "read_file", name="trip.txt")
    assert ask(box, "find_text", text="TRAIN") == "trip.txt: book the train"
    for name in ("../outside.txt", "link.txt", ".hidden", str(tmp_path / "outside.txt")):
        assert "unknown file" in ask(box, "read_file", name=name)
    assert "not a text file" in ask(box, "read_file", name="photo.bin")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is not a folder"):
        toolset(f"everyday={tmp_path / 'nothing'}", lambda _: None)
