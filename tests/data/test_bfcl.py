"""BFCL's tasks, from the installed package."""

import pytest

from umi_lite.data import bfcl
from umi_lite.data.leaks import find_leaks
from umi_lite.data.load import load_questions, load_source
from umi_lite.data.traces import save
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory, User
from umi_lite.recipe.schema import Data, Recipe
from umi_lite.train import inputs

SIZES = {
    "simple_python": 400, "simple_java": 100, "simple_javascript": 50, "multiple": 200,
    "parallel": 200, "parallel_multiple": 200, "irrelevance": 240, "live_simple": 258,
    "live_multiple": 1053, "live_parallel": 16, "live_parallel_multiple": 24,
    "live_relevance": 16, "live_irrelevance": 884, "multi_turn_base": 200,
}  # fmt: skip


def named(category: str, name: str) -> Trajectory:
    return next(task for task in bfcl.tasks(category).trajectories if task.id == name)


def test_every_category_is_whole() -> None:
    found = {name: bfcl.tasks(name).trajectories for name in bfcl.CATEGORIES}
    assert {name: len(tasks) for name, tasks in found.items()} == SIZES
    for name, tasks in found.items():
        assert len({task.id for task in tasks}) == len(tasks)
        assert all(task.instruction.strip() for task in tasks)
        answered = {task.meta["answers"] is not None for task in tasks}
        assert answered == {not name.endswith("relevance")}


def test_a_draw_is_by_its_seed_and_in_order() -> None:
    whole = [task.id for task in bfcl.tasks("multiple").trajectories]
    drawn = [[t.id for t in bfcl.tasks("multiple", 30, seed).trajectories] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    for ids in drawn:
        assert len(ids) == 30 and ids == sorted(ids, key=whole.index)
    assert [t.id for t in bfcl.tasks("multiple", 999).trajectories] == whole


def test_a_system_message_begins_the_instruction() -> None:
    tasks = bfcl.tasks("live_simple").trajectories
    asked = [task for task in tasks if task.meta["entry"]["question"][0][0]["role"] == "system"]
    assert len(asked) == 11
    for task in asked:
        system, user = (message["content"] for message in task.meta["entry"]["question"][0])
        assert task.instruction == f"{system}\n\n{user}"


def test_a_conversation_is_a_history_that_the_agent_did_not_say() -> None:
    tasks = bfcl.tasks("live_irrelevance").trajectories
    long = [task for task in tasks if task.steps]
    assert len(long) == 8
    for task in long:
        assert isinstance(task.steps[-1], User)
        kinds = [step.kind for step in task.steps]
        assert kinds == ["answer", "user"] * (len(kinds) // 2)
        assert not any(step.trained for step in task.steps if isinstance(step, Answer))


def test_dialects_names_and_enums_are_the_packages_own() -> None:
    names = {t.name for c in bfcl.SINGLE_TURN for x in bfcl.tasks(c).trajectories for t in x.tools}
    assert sum("." in name for name in names) > 500
    task = named("simple_python", "simple_python_1")
    (tool,), (function,) = task.tools, task.meta["entry"]["function"]
    assert tool.name == function["name"] == "math.factorial"
    assert function["parameters"]["type"] == "dict" and tool.parameters["type"] == "object"


@pytest.mark.parametrize("category", ["simple_java", "simple_javascript"])
def test_arguments_of_other_languages_are_text(category: str) -> None:
    for task in bfcl.tasks(category).trajectories:
        parts = task.tools[0].parameters["properties"].values()
        assert {part["type"] for part in parts} == {"string"}
        assert all(part["description"].endswith("expression, as text.") for part in parts)
        # The checker reads the types from here.
        kinds = task.meta["entry"]["function"][0]["parameters"]["properties"].values()
        assert "string" not in {part["type"] for part in kinds}


def test_a_multi_turn_task_has_its_worlds_tools_and_turns() -> None:
    for task in bfcl.tasks("multi_turn_base", 20).trajectories:
        assert task.instruction == task.meta["turns"][0]
        assert len(task.meta["turns"]) == len(task.meta["answers"])
        left_out = task.meta["entry"].get("excluded_function", [])
        assert not {tool.name for tool in task.tools} & set(left_out)


def test_nothing_of_it_is_trained(tmp_path) -> None:
    with pytest.raises(UserError, match="holds tasks without steps: nothing to train on"):
        load_source("bfcl", {"split": "multiple"})
    asked = max((t.instruction for t in bfcl.tasks("parallel").trajectories), key=len)
    turn = bfcl.tasks("multi_turn_base", 1).trajectories[0].meta["turns"][1]
    texts = ["An own task.", asked, f"{asked} Please.", turn, "Another one.", "Third.", "Fourth."]
    steps = (Plan(thought="Known.", next="summarizer"), Answer(text="x"))
    made = [
        Trajectory(id=f"mine-{at}", source="s", instruction=text, steps=steps)
        for at, text in enumerate(texts)
    ]
    save(made, tmp_path / "mine.jsonl")
    data = Data(source="traces", path=str(tmp_path / "mine.jsonl"))
    recipe = Recipe(name="mine", data=(data,))
    loaded = inputs.load_data(recipe)
    assert [t.id for t in loaded.trajectories] == ["mine-0", "mine-4", "mine-5", "mine-6"]
    assert {leak.held_out.source for leak in inputs.leaks_of(recipe)} == {"bfcl"}


def test_a_generated_task_may_leak_too() -> None:
    """A task with a world of its own is compared with tasks that have none."""
    (held,) = bfcl.tasks("simple_python", 1).trajectories
    made = held.model_copy(update={"meta": {"world_seed": 3}})
    assert [leak.held_out.id for leak in find_leaks([made], bfcl.held_out())] == [held.id]


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install --no-deps bfcl-eval==2026\.3\.23"):
        load_questions("bfcl", {"split": "multiple"})
    assert bfcl.held_out() == []
    with pytest.raises(UserError, match=r"no category 'easy'; there are simple_python, "):
        load_questions("bfcl", {"split": "easy"})
