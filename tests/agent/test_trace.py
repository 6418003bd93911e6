"""A trace is saved whole or not at all, and read back as it was."""

import pytest

from umi_lite.agent.trace import Trace, TraceTurn
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory

TRACE = Trace(
    trajectory=Trajectory(
        id="a",
        source="run",
        instruction="Grüße 東京",
        steps=(Plan(thought="T", next="summarizer"), Answer(text="Hi")),
    ),
    stop="answer",
    turns=(
        TraceTurn(view="planner", evaluated=10, decoded=4, generated=5, stop="grammar"),
        TraceTurn(view="tool", tool_seconds=0.5),
        TraceTurn(view="summarizer", evaluated=7, decoded=2, generated=2, stop="eot"),
    ),
    seconds=1.5,
    model="base.gguf",
)


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "deep" / "trace.json"
    TRACE.save(path)
    assert Trace.load(path) == TRACE
    assert [p.name for p in path.parent.iterdir()] == ["trace.json"]
    assert (TRACE.tokens, TRACE.generated, TRACE.answer) == (23, 7, "Hi")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Invalid JSON"),
        ('{"version": 1', "Invalid JSON"),
        ("[]", "trace of version 1"),
        ('{"version": 2, "stop": "answer"}', "version"),
        (TRACE.model_dump_json()[:-1] + ', "extra": 1}', "extra"),
        (TRACE.model_dump_json().replace('"answer","error"', '"won","error"'), "stop"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as err:
        Trace.load(path)
    assert str(path) in str(err.value) and "\n" not in str(err.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        Trace.load(tmp_path / "none.json")


def test_a_full_disk_leaves_the_old_trace(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    TRACE.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("umi_lite.agent.trace.os.replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        TRACE.model_copy(update={"stop": "error"}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]
