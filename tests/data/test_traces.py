import json

import pytest

from umi_lite.agent.trace import Trace, TraceTurn
from umi_lite.data import traces
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory

EPISODE = Trajectory(
    id="a",
    source="test",
    instruction="Say hi.",
    steps=(Plan(thought="Easy.\u2028", next="summarizer"), Answer(text="Hi.")),
)
OTHER = EPISODE.model_copy(update={"id": "b"})


def test_trajectories_come_back_from_jsonl(tmp_path):
    path = tmp_path / "new" / "mine.jsonl"
    traces.save([EPISODE, OTHER], path)
    assert traces.load(path).trajectories == [EPISODE, OTHER]
    assert traces.load(path, 1).trajectories == [EPISODE]
    assert [file.name for file in path.parent.iterdir()] == ["mine.jsonl"]


def test_bad_lines_are_dropped_with_their_numbers(tmp_path):
    path = tmp_path / "mine.jsonl"
    value = EPISODE.model_dump(mode="json")
    lines = [
        json.dumps({"version": 99, "trajectory": value, "stop": "answer"}),
        json.dumps(value)[:-5],
        "",
        json.dumps({**value, "steps": [{"kind": "plan"}]}),
        json.dumps({**value, "colour": "red"}),
        json.dumps({**value, "steps": []}),
        "3",
        json.dumps(value),
    ]
    path.write_text("\n".join(lines))
    loaded = traces.load(path)
    assert loaded.trajectories == [EPISODE, EPISODE]
    assert [int(d.where.removeprefix(f"{path}:")) for d in loaded.dropped] == [2, 4, 5, 6, 7]
    reasons = [d.reason for d in loaded.dropped]
    assert reasons[0].startswith("not JSON: ")
    assert reasons[1:] == [
        "no trajectory: steps.0.plan.thought: missing",
        "no trajectory: colour: unknown key",
        "the episode has no step",
        "a JSON object is expected, not int",
    ]


def test_a_folder_of_traces(tmp_path):
    for name, episode in (("2.json", OTHER), ("1.json", EPISODE)):
        value = {"trajectory": episode.model_dump(mode="json")}
        (tmp_path / name).write_text(json.dumps(value, indent=1))
    (tmp_path / "3.json").write_text('{\n"trajectory": {')
    (tmp_path / ".4.json").write_text("half written")
    (tmp_path / "notes.txt").write_text("not a trace")
    both = json.dumps([{"trajectory": OTHER.model_dump(mode="json")}])
    (tmp_path / "5.json").write_text(both)
    loaded = traces.load(tmp_path)
    assert loaded.trajectories == [EPISODE, OTHER, OTHER]
    ((where, _),) = loaded.dropped
    assert where == f"{tmp_path / '3.json'}:2"


def test_a_trace_as_the_agent_writes_it(tmp_path):
    trace = Trace(trajectory=EPISODE, stop="answer", turns=(TraceTurn(view="planner"),))
    trace.save(tmp_path / "traces" / "a.json")
    assert traces.load(tmp_path / "traces").trajectories == [EPISODE]


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no \.json or \.jsonl file"):
        traces.load(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        traces.load(tmp_path / "none.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        traces.load(tmp_path / "bytes.jsonl")
