"""Results of tools whose schemas say nothing of them: many forms, which answers repeat."""

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest
from synth_tools import TEXT, TOOLS, made

from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.free import flat, freed
from umi_lite.data.synth.generate import load
from umi_lite.data.synth.kinds import DONE, FREE, NAMES
from umi_lite.data.synth.simulate import Simulator, environment
from umi_lite.data.wild.catalog import tools_of
from umi_lite.protocol.trajectory import Answer, Call, Observation, Trajectory

PATH = {"path": TEXT}
FILES = [
    made("files", "list_directory", "List the files in a directory.", PATH),
    made("files", "create_directory", "Create a new directory.", PATH),
    made("files", "get_file_info", "Get the metadata of a file.", PATH),
    made("files", "read_text_file", "Read a text file.", PATH),
    made("files", "search_files", "Search for files that match.", {**PATH, "pattern": TEXT}),
]


@pytest.fixture(scope="module")
def tasks() -> list[Trajectory]:
    return load(FILES, seed=3, count=300).trajectories


def single(tasks: list[Trajectory]) -> Iterator[tuple[Call, Observation, Answer]]:
    """Yield call, result and answer of tasks with one call."""
    for task in tasks:
        match task.steps:
            case [_, Call() as call, Observation() as seen, _, Answer() as answer]:
                yield call, seen, answer


def test_one_tools_results_have_many_forms(tasks: list[Trajectory]):
    forms: dict[str, set[str]] = defaultdict(set)
    for call, seen, _ in single(tasks):
        text = seen.content
        kind = "JSON" if text[0] in "[{" else "lines" if "\n" in text else text.split(" ")[0]
        forms[call.tool].add(kind)
    assert set(forms) == {one.tool.name for one in FILES}
    for name in ("list_directory", "get_file_info", "read_text_file", "search_files"):
        assert {"JSON", "lines"} <= forms[name]
    assert {"OK", "Successfully", "JSON"} <= forms["create_directory"]


def test_an_answer_repeats_the_result_and_no_more(tasks: list[Trajectory]):
    for call, seen, answer in single(tasks):
        if call.tool == "create_directory":
            assert answer.text == "The new directory has been created."
        elif call.tool in ("list_directory", "search_files"):
            names = [line.split("] ")[-1].strip("-*, ") for line in seen.content.split("\n")]
            if seen.content[0] not in "[{" and len(names) > 1:
                assert names[-1].removesuffix(" (1)") in answer.text
        else:
            assert answer.text.startswith("It says: ")
            if seen.content[0] != "{":
                assert flat(seen.content.partition(": ")[2]).rstrip(".") in answer.text


def test_tasks_are_replayed_and_stay_the_same(tasks: list[Trajectory]):
    assert all(fault_of(task) == "" for task in tasks)
    assert load(FILES, seed=3, count=300).trajectories == tasks
    again = Trajectory.model_validate(json.loads(tasks[0].model_dump_json()))
    assert fault_of(again) == ""


def test_known_results_and_those_that_other_calls_read_stay_as_they_are():
    worded = load(list(tools_of("train"))[:200], seed=1, count=40).trajectories
    assert all("free" not in task.meta["world"] for task in worded)
    mixed = load(TOOLS, seed=1, count=60).trajectories
    returns = {name: f for task in mixed for name, f in task.meta["world"]["returns"].items()}
    assert returns["get_weather"] == {"temperature": "temperature", "condition": "condition"}
    assert returns["search_flights"]["flight_id"] == "id", "book_flight takes it"


@pytest.mark.parametrize(
    ("returns", "kept", "guessed", "free"),
    [
        ({"folder_id": "id", "status": DONE}, (), False, {"status": DONE}),
        ({"job_id": "id", "status": DONE}, ("job_id",), False, {"job_id": "id", "status": DONE}),
        ({"file_id": "id", "name": "path"}, (), False, {"items": NAMES}),
        ({"content": "message"}, (), False, {"content": FREE}),
        ({"diff": "measure"}, (), True, {"diff": FREE}),
        ({"price": "amount"}, (), True, {"price": "amount"}),
        ({"distance_km": "measure"}, (), False, {"distance_km": "measure"}),
    ],
)
def test_what_is_but_a_guess_becomes_free_text(returns, kept, guessed, free):
    assert freed(returns, frozenset(kept), guessed) == free


def test_a_text_of_lines_becomes_a_line():
    assert flat("a: 1\nb: 2") == "a: 1, b: 2."
    assert flat("Buy milk.\n\nCall Anna!") == "Buy milk. Call Anna!"


def test_a_call_gives_the_same_result_twice(tasks: list[Trajectory]):
    task = next(task for task in tasks if task.meta["calls"] == 1)
    call = next(step for step in task.steps if isinstance(step, Call))
    box = environment(task)
    assert isinstance(box, Simulator) and box.call(call) == box.call(call)
