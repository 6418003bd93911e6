import json
from pathlib import Path

import pytest
from datafiles import data_file

from umi_lite.data import toolbench, toolbench_raw
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Plan, Trajectory

FUNCTION = {
    "name": "n" * 10 + "get_weather_for_" + "x" * 48,
    "description": "d" * 300,
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "a" * 10 + "b" * 256, "example_value": "X"},
            "day": {"type": "integer"},
        },
        "required": ["city"],
        "optional": ["day"],
    },
}
FINISH = {"name": "Finish", "description": "End.", "parameters": {"type": "object"}}


def tree(chain: list, **changed) -> dict:
    answer = {
        "valid_data": True,
        "query": "How is it?",
        "function": [FUNCTION, FINISH],
        "train_messages": [chain[:2], chain],
    }
    return {"win": True, "tree": {"large": [1]}, "answer_generation": {**answer, **changed}}


CHAIN = [
    {"role": "system", "content": "You are AutoGPT."},
    {"role": "user", "content": "\nHow is it?\nBegin!\n"},
    {
        "role": "assistant",
        "content": "Ask.",
        "function_call": {"name": "get_weather", "arguments": '{"city": "X"}'},
    },
    {"role": "function", "name": "get_weather", "content": '{"error": "", "response": "dry"}'},
    {
        "role": "assistant",
        "content": None,
        "function_call": {
            "name": "Finish",
            "arguments": '{"return_type": "give_answer", "final_answer": "Dry."}',
        },
    },
]


def write(folder: Path, name: str, value: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_tree_becomes_a_trajectory(tmp_path: Path) -> None:
    path = write(tmp_path, "17_ChatGPT_DFS_woFilter_w2.json", tree(CHAIN))
    (made,) = toolbench_raw.load(path).trajectories
    assert made.meta == {"record": 1, "query_id": "17", "win": True}
    (tool,) = made.tools
    assert tool.name == FUNCTION["name"][-64:]
    assert tool.description == "d" * 256
    assert tool.parameters["properties"] == {
        "city": {"type": "string", "description": "b" * 256},
        "day": {"description": "integer"},
    }
    assert [step.kind for step in made.steps] == ["plan", "call", "observation", "plan", "answer"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (tree(CHAIN, valid_data=False), "not valid (valid_data)"),
        (tree(CHAIN, train_messages=[]), "no train_messages"),
        (tree(CHAIN, train_messages=[3]), "a list of lists"),
        (tree(CHAIN, function=[{"name": "f"}]), "no field 'parameters'"),
        (tree(CHAIN, query=None), "'query' must be str"),
        ({"win": True}, "no field 'answer_generation'"),
        ([], "a JSON object is expected, not list"),
        ('{"win": tr', "not JSON"),
    ],
)
def test_what_is_no_such_tree_is_dropped_with_the_reason(tmp_path, value, reason) -> None:
    bad = write(tmp_path / "G1_answer", "1_x.json", value)
    write(tmp_path / "G2_answer", "2_x.json", tree(CHAIN))
    loaded = toolbench_raw.load(tmp_path)
    assert [made.meta["query_id"] for made in loaded.trajectories] == ["2"]
    ((where, why),) = loaded.dropped
    assert where == str(bad) and reason in why


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.json", '["2", "3"]'),
        ("ids.json", "[2, 3]"),
        ("ids.json", '{"2": 0, "3": 1}'),
        ("ids.txt", "2\n3\n"),
        ("queries.json", '[{"query": "another", "query_id": 2}]'),
    ],
)
def test_test_queries_are_kept_out(tmp_path: Path, name: str, text: str) -> None:
    for number in (1, 2, 22):
        write(tmp_path / "answer", f"{number}_x.json", tree(CHAIN))
    excluded = write(tmp_path, name, text)
    loaded = toolbench_raw.load(tmp_path / "answer", exclude=excluded)
    assert [made.meta["query_id"] for made in loaded.trajectories] == ["1", "22"]
    assert [reason for _, reason in loaded.dropped] == ["its query id is excluded"]


def test_instructions_are_kept_out_and_n_counts_what_is_left(tmp_path: Path) -> None:
    write(tmp_path / "answer", "1_x.json", tree(CHAIN))
    write(tmp_path / "answer", "2_x.json", tree(CHAIN, query="Other?"))
    excluded = write(tmp_path / "test", "G1.json", json.dumps([{"query": "HOW  is it?"}]))
    loaded = toolbench_raw.load(tmp_path / "answer", 1, exclude=excluded.parent)
    assert [made.instruction for made in loaded.trajectories] == ["Other?"]
    assert loaded.dropped[0].reason == "its instruction is excluded"


def test_what_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.json file"):
        toolbench_raw.load(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        toolbench_raw.load(tmp_path / "none.json")
    with pytest.raises(UserError, match="there are none"):
        toolbench_raw.load(tmp_path, exclude=write(tmp_path, "empty.txt", ""))


def test_the_trees_at_hand() -> None:
    loaded = toolbench_raw.load(data_file("toolbench/raw_answers"))
    assert len(loaded.trajectories) == 12
    assert loaded.drop_table()[0][:2] == (
        "ToolBench marks the tree as not valid (valid_data)",
        2,
    )
    ends = [t.steps[-1] for t in loaded.trajectories]
    gave_up = [step for step in ends if isinstance(step, Plan)]
    assert all(step.next == "give_up" for step in gave_up) and len(gave_up) == 3
    assert all(
        t.tools and all(tool.name != "Finish" for tool in t.tools) for t in loaded.trajectories
    )


def content(made: Trajectory) -> tuple:
    return made.instruction, made.tools, made.steps


def test_the_official_dialogues_as_trees_give_the_official_trajectories(tmp_path: Path) -> None:
    """No tree at hand is one of the official dialogues, so these are put into trees again."""
    first = json.loads(
        data_file("toolbench/split_example/raw_data/raw_data_stage_1.json").read_text()
    )
    for i, record in enumerate(first):
        functions = [
            {
                "name": tool["Name"],
                "description": tool["function"],
                "parameters": {"properties": dict(map(argument, tool["input"].items()))},
            }
            for tool in record["tools"]
        ]
        made = tree(
            [],
            query=record["instruction"],
            function=[*functions, FINISH],
            train_messages=[record["chains"]],
        )
        write(tmp_path / "G1_answer", f"{i:02}_x.json", made)
    got = toolbench_raw.load(tmp_path, keep_bad_arguments=True)
    second = data_file("toolbench/split_example/raw_data/raw_data_stage_2.json")
    wanted = toolbench.load(second, keep_bad_arguments=True)
    assert (len(got.trajectories), got.dropped) == (20, [])
    assert list(map(content, got.trajectories)) == list(map(content, wanted.trajectories))


def argument(item: tuple[str, str]) -> tuple[str, dict[str, str]]:
    name, text = item
    kind, comma, description = text.partition(", ")
    return name, {"type": kind, "description": description} if comma else {"type": kind}
