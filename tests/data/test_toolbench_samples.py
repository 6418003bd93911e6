import json

import pytest
from datafiles import data_file

from umi_lite.data import toolbench, toolbench_samples
from umi_lite.protocol.trajectory import Trajectory


def content(made: Trajectory) -> tuple:
    return made.instruction, made.tools, made.steps


@pytest.fixture(scope="module")
def official() -> list[Trajectory]:
    path = data_file("toolbench/split_example/raw_data/raw_data_stage_2.json")
    return toolbench.load(path, keep_bad_arguments=True).trajectories


def test_the_four_files_together_are_the_official_dialogues(official) -> None:
    loaded = toolbench_samples.load(data_file("toolbench/split_example"))
    assert loaded.dropped == []
    assert sorted(map(repr, map(content, loaded.trajectories))) == sorted(
        map(repr, map(content, official))
    )
    assert sum(made.meta["samples"] for made in loaded.trajectories) == 79 + 79 + 59 + 14


def test_the_backbone_s_file_alone_lacks_one_blank_line(official) -> None:
    path = data_file("toolbench/split_example/train_backbone.json")
    loaded = toolbench_samples.load(path)
    assert (len(loaded.trajectories), loaded.dropped) == (20, [])
    same = [content(a) == content(b) for a, b in zip(loaded.trajectories, official, strict=True)]
    assert same.count(False) == 1
    other = loaded.trajectories[same.index(False)].steps[-2]
    wanted = official[same.index(False)].steps[-2]
    assert (other.thought, other.next) == (wanted.thought, wanted.next)


@pytest.mark.parametrize(
    ("name", "trajectories", "dropped"),
    [("planner", 6, 54), ("caller", 0, 59), ("summarizer", 14, 0)],
)
def test_a_file_alone_gives_the_dialogues_that_it_holds_whole(
    name: str, trajectories: int, dropped: int, official
) -> None:
    loaded = toolbench_samples.load(data_file(f"toolbench/split_example/train_{name}.json"))
    assert (len(loaded.trajectories), len(loaded.dropped)) == (trajectories, dropped)
    wanted = list(map(content, official))
    assert all(content(made) in wanted for made in loaded.trajectories)


SAMPLE = {
    "tools": [],
    "history": [{"from": "user", "value": "Hi?"}],
    "input": "Answer ... followed by Next: caller. assistant: ",
    "target": "No.\n Next: give up.",
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"history": []}, "the history is empty"),
        ({"history": ["Hi?"]}, "a turn is not a JSON object"),
        ({"input": "Tell me: "}, "the prompt ends with no speaker's name"),
        ({"input": "write: \n assistant: "}, "neither an action nor a conclusion"),
        ({"target": 3}, "'target' must be str"),
        ({"target": "Yes.\n Next: caller."}, "the samples end at a call"),
        ({"history": [{"from": "tool", "value": "x"}]}, "does not begin with the user"),
    ],
)
def test_what_cannot_be_put_together_is_dropped(tmp_path, changed: dict, reason: str) -> None:
    path = tmp_path / "train_planner.json"
    other = {**SAMPLE, "history": [{"from": "user", "value": "Other?"}], **changed}
    path.write_text(json.dumps([SAMPLE, other]))
    loaded = toolbench_samples.load(path)
    assert [made.instruction for made in loaded.trajectories] == ["Hi?"]
    assert [reason in why for _, why in loaded.dropped] == [True]
    assert loaded.dropped[0].where == f"{path}:2"


def test_test_instructions_are_kept_out(tmp_path) -> None:
    path, excluded = tmp_path / "a.json", tmp_path / "test.txt"
    path.write_text(json.dumps([SAMPLE]))
    excluded.write_text("hi?\n")
    loaded = toolbench_samples.load(path, exclude=excluded)
    assert [why for _, why in loaded.dropped] == ["its instruction is excluded"]
