import json
from collections import Counter

import pytest
from datafiles import data_file

from umi_lite.data import toolbench
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Plan

TOOL = {"Name": "f", "function": "Does f.", "input": {"x": "integer, a, b", "y": "odd text"}}
GOOD = {
    "tools": [TOOL],
    "instruction": "Do f.",
    "conversations": [
        {"from": "user", "value": "Do f."},
        {"from": "assistant", "value": "Think.\n Next: caller."},
        {"from": "caller", "value": 'Action: f\nAction Input: {\n "x": 1\n}'},
        {"from": "observation", "value": "2"},
        {"from": "assistant", "value": "Known. Next: conclusion."},
        {"from": "conclusion", "value": "It is 2."},
    ],
}


def write(tmp_path, records, cut=None):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(records, indent=1)[:cut])
    return path


def changed(turn: int, **fields) -> dict:
    record = json.loads(json.dumps(GOOD))
    record["conversations"][turn] |= fields
    return record


def test_a_record_becomes_a_trajectory(tmp_path):
    (made,) = toolbench.load(write(tmp_path, [GOOD])).trajectories
    assert (made.id, made.source, made.meta) == ("data-1", "toolbench", {"record": 1})
    assert made.instruction == "Do f."
    assert made.tools[0].parameters["properties"] == {
        "x": {"type": "integer", "description": "a, b"},
        "y": {"description": "odd text"},
    }
    plan, call, _, done, answer = made.steps
    assert plan == Plan(thought="Think.", next="caller", source_text="Think.\n Next: caller.")
    assert isinstance(call, Call) and (call.tool, call.arguments) == ("f", {"x": 1})
    assert isinstance(done, Plan) and (done.thought, done.next) == ("Known.", "summarizer")
    assert answer == Answer(text="It is 2.")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"tools": []}, "no field 'conversations' (nor 'chains')"),
        ({**GOOD, "tools": "none"}, "'tools' must be list, not str"),
        ({**GOOD, "tools": [{**TOOL, "input": {"x": 3}}]}, "argument 'x' of tool 'f' must be"),
        ({**GOOD, "conversations": []}, "the conversation does not begin with the user"),
        (changed(0, **{"from": "caller"}), "the conversation does not begin with the user"),
        (changed(2, value="f(1)"), "a caller's turn is not 'Action: name'"),
        (changed(2, value="Action: f\nAction Input: {x"), "arguments of a call of 'f' are not"),
        (changed(3, **{"from": "tool"}), "a turn is from 'tool'"),
        (["not an object"], "a JSON object is expected, not list"),
    ],
)
def test_a_damaged_record_is_dropped_with_its_reason(tmp_path, record, reason):
    path = write(tmp_path, [GOOD, record, GOOD])
    loaded = toolbench.load(path)
    assert [t.meta["record"] for t in loaded.trajectories] == [1, 3]
    ((where, why),) = loaded.dropped
    assert where == f"{path}:2"
    assert reason in why


def test_bad_arguments_may_be_kept(tmp_path):
    text = "Action: f\nAction Input: {x"
    path = write(tmp_path, [changed(2, value=text)])
    (made,) = toolbench.load(path, keep_bad_arguments=True).trajectories
    assert made.steps[1] == Call(tool="f", arguments={}, source_text=text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_hold_is_a_bad_argument(tmp_path, number):
    text = f'Action: f\nAction Input: {{"x": {number}}}'
    path = write(tmp_path, [changed(2, value=text)])
    loaded = toolbench.load(path)
    assert loaded.trajectories == []
    assert "arguments of a call of 'f' are not a JSON object" in loaded.dropped[0].reason


def test_blanks_around_a_name_are_not_a_part_of_it(tmp_path):
    record = changed(2, value='Action: f\r\nAction Input: {"x": 1}')
    record["tools"][0] = {**TOOL, "Name": " f\r"}
    (made,) = toolbench.load(write(tmp_path, [record])).trajectories
    assert made.tools[0].name == made.steps[1].tool == "f"
    assert made.steps[1].source_text == 'Action: f\r\nAction Input: {"x": 1}'


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("null", "none"),
        ('""', "none"),
        ('" \\n"', "none"),
        ('{"total": 2, "who": null}', '{"total": 2, "who": null}'),
        ('["é", true]', '["é", true]'),
        ("2", "2"),
        ("true", "true"),
        ('"It is 2."', "It is 2."),
    ],
)
def test_a_final_answer_is_text_or_json_and_a_missing_one_is_marked(tmp_path, given, text):
    arguments = f'{{"return_type": "give_answer", "final_answer": {given}}}'
    finish = {"name": "Finish", "arguments": arguments}
    chain = [{}, {}, {"role": "assistant", "content": "Known.", "function_call": finish}]
    record = {"tools": [TOOL], "instruction": "Do f.", "chains": chain}
    (made,) = toolbench.load(write(tmp_path, [record])).trajectories
    assert made.steps[-1] == Answer(text=text)


def test_a_finish_without_an_answer_is_marked(tmp_path):
    finish = {"name": "Finish", "arguments": '{"return_type": "give_answer"}'}
    chain = [{}, {}, {"role": "assistant", "content": "Known.", "function_call": finish}]
    record = {"tools": [TOOL], "instruction": "Do f.", "chains": chain}
    (made,) = toolbench.load(write(tmp_path, [record])).trajectories
    assert made.steps[-1] == Answer(text="none")


def test_a_truncated_file_keeps_its_whole_records(tmp_path):
    loaded = toolbench.load(write(tmp_path, [GOOD, GOOD, GOOD], cut=-200))
    assert [t.meta["record"] for t in loaded.trajectories] == [1, 2]
    ((where, why),) = loaded.dropped
    assert where.endswith("data.json:3")
    assert why.startswith("not JSON from line ")


@pytest.mark.parametrize("text", ['{"tools": []}', "", "tools"])
def test_a_foreign_file_is_refused(tmp_path, text):
    path = tmp_path / "foreign.json"
    path.write_text(text)
    with pytest.raises(UserError, match="a JSON list of records"):
        toolbench.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        toolbench.load(tmp_path / "none.json")


def test_chains(tmp_path):
    calls = {"name": "f", "arguments": '{"x": 1}'}
    finish = {"name": "Finish", "arguments": '{"return_type": "give_answer", "final_answer": "2"}'}
    chain = [
        {"role": "system", "content": "You are AutoGPT."},
        {"role": "user", "content": "\nDo f.\nBegin!\n"},
        {"role": "assistant", "content": "Talk that calls nothing."},
        {"role": "assistant", "content": None, "function_call": calls},
        {"role": "function", "name": "f", "content": '{"error": "", "response": "two"}'},
        {"role": "assistant", "content": "Again.", "function_call": calls},
        {"role": "function", "name": "f", "content": '{"error": "", "response": "cut of...'},
        {"role": "assistant", "content": "Known.", "function_call": finish},
    ]
    record = {"tools": [TOOL], "instruction": "Do f.", "chains": chain}
    (made,) = toolbench.load(write(tmp_path, [record])).trajectories
    first, call, seen, again, _, cut, done, answer = made.steps
    assert first.source_text == " Next: caller."
    assert call.source_text == 'Action: f\nAction Input: {"x": 1}'
    assert seen.content == "two"
    assert again.source_text == "Again.\n Next: caller."
    assert cut.content == ' "cut of...'
    assert (done.next, answer.text) == ("summarizer", "2")


def test_static_dev():
    loaded = toolbench.load(data_file("toolbench/static_dev.json"))
    assert (len(loaded.trajectories), loaded.dropped) == (280, [])
    nexts = Counter(s.next for t in loaded.trajectories for s in t.steps if isinstance(s, Plan))
    assert nexts == {"caller": 777, "summarizer": 207, "give_up": 74, None: 80}
    assert len(toolbench.load(data_file("toolbench/static_dev.json"), 5).trajectories) == 5
