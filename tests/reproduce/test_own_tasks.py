"""Tasks for your own tools: odd schemas are counted, what is made is whole and fits a row."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from umi_lite.data.own_tools import OwnTools, of_file
from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.wording import SynthTool
from umi_lite.errors import UserError
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import Call, Observation, Tool
from umi_lite.recipe.schema import load_recipe
from umi_lite.reproduce.adapt import adapted, with_room
from umi_lite.reproduce.coverage import Used, coverage
from umi_lite.reproduce.own_tasks import MADE, Sizes, own_tasks, show

TEXT = {"type": "string"}
SIZES = Sizes(train=60, held_out=12, seed=0, max_length=1024)


def obj(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def own(*tools: tuple[str, str, dict[str, Any]]) -> OwnTools:
    made = [Tool(name=name, description=said, parameters=schema) for name, said, schema in tools]
    return OwnTools("--mcp x", "x", tuple(SynthTool(tool, None, "x") for tool in made))


CIRCLE = {"N": obj({"next": {"$ref": "#/$defs/N"}}, "next")}
ORDER = obj({"order_id": TEXT, "reason": {"enum": ["late", "wrong"]}}, "order_id")
ODD = own(
    ("shop.cancel", "Cancel an order", ORDER),
    ("wetter.für", "Wetter für eine Stadt", obj({"stadt": TEXT}, "stadt")),
    ("undescribed", "", obj({"city": TEXT}, "city")),
    ("hundred", "Do a thing", obj({f"p{i}": TEXT for i in range(100)})),
    (
        "all_hundred",
        "Do it",
        obj({f"p{i}": TEXT for i in range(100)}, *[f"p{i}" for i in range(9)]),
    ),
    ("circle", "Go round", obj({"n": {"$ref": "#/$defs/N"}}, "n", **{"$defs": CIRCLE})),
    ("level", "Set a level", obj({"level": {"type": ["integer", "null"]}}, "level")),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return own_tasks(ODD, SIZES, tmp_path_factory.mktemp("odd"))


def test_odd_schemas_are_tasks_or_counted_reasons(made: Any) -> None:
    reasons = {first: reason for reason, _, first in made.dropped}
    assert "nests more than 4 deep" in reasons["tool circle"]
    assert "more than 8 arguments are required" in reasons["tool all_hundred"]
    called = {step.tool for task in made.train for step in task.steps if isinstance(step, Call)}
    assert {"shop.cancel", "wetter.für", "undescribed", "hundred", "level"} <= called
    assert len(made.train) == 60 and len(made.held_out) == 12


def test_every_task_is_replayed_and_its_tools_are_in_your_order(made: Any) -> None:
    order = [one.tool.name for one in ODD.tools]
    for task in [*made.train, *made.held_out]:
        assert fault_of(task) == ""
        assert environment_of(task).specs == task.tools
        mine = [tool.name for tool in task.tools if tool.name in order]
        assert mine == sorted(mine, key=order.index)
    instructions = {task.instruction for task in made.train}
    assert not instructions & {task.instruction for task in made.held_out}


def test_tasks_are_made_once_and_shown(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    again = own_tasks(ODD, SIZES, made.folder.parent)
    assert again.train == made.train and again.coverage == made.coverage
    show(again, Console(width=100, highlight=False))
    said = capsys.readouterr().out
    assert "\n20  " in said and "21  " not in said
    assert "wetter.für" in said and "nests more than 4 deep" in said
    with pytest.raises(UserError, match=r"held_out differs\): name another --out"):
        own_tasks(ODD, Sizes(60, 13, 0, 1024), made.folder.parent)


def test_where_no_task_can_be_made_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--mcp x: no task can be made: next: it nests more"):
        own_tasks(own(ODD_CIRCLE), SIZES, tmp_path)
    assert not list(tmp_path.iterdir())


ODD_CIRCLE = ("circle", "Go round", obj({"n": {"$ref": "#/$defs/N"}}, "n", **{"$defs": CIRCLE}))


def test_docs_that_are_long_are_offered_in_parts(tmp_path: Path) -> None:
    names = ("order", "parcel", "invoice", "customer", "ticket", "voucher", "contract", "review")
    tools = [
        (f"get_{n}", f"Get the {n}. " + "Long docs. " * 40, obj({"id": TEXT}, "id")) for n in names
    ]
    tasks = own_tasks(own(*tools), SIZES, tmp_path)
    offered = {len(task.tools) for task in tasks.train}
    assert max(offered) <= 3 < len(names)


def test_all_tools_are_offered_where_a_row_can_hold_their_docs(tmp_path: Path) -> None:
    names = ("order", "parcel", "invoice", "customer", "ticket", "voucher", "contract", "review")
    tools = own(
        *((f"get_{n}", f"Get the {n}. " + "More. " * 60, obj({"id": TEXT}, "id")) for n in names)
    )
    recipe = load_recipe("default/adapt-smollm2-135m", [])
    made = with_room(recipe, tools)
    docs = made.max_length - 768
    assert 1000 < docs < 2560 and made.packed_length == docs + 2048
    assert made.stages == recipe.stages
    tasks = own_tasks(tools, Sizes(60, 12, 0, made.max_length), tmp_path)
    for task in [*tasks.train, *tasks.held_out]:
        assert [tool.name for tool in task.tools] == [one.tool.name for one in tools.tools]
    refused = [task for task in tasks.train if task.meta["kind"] == "unsupported"]
    asked = {word for task in refused for word in task.instruction.lower().split()}
    assert refused and not asked & set(names)
    long = own(("get_order", "Get the order. " + "More. " * 2000, obj({"id": TEXT}, "id")))
    assert with_room(recipe, long).max_length == recipe.max_length


TOOLS = '''
def pack_size(order: str) -> str:
    """Get the pack size of an order."""
    return "42 boxes"


def broken(order: str) -> str:
    """Get the weight of an order."""
    raise RuntimeError("no scales")


def price(order: str) -> str:
    """Get the price of an order."""
    raise SystemExit("called")
'''


def test_only_functions_that_are_named_are_called(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)
    tools = of_file(tmp_path / "tools.py", ["pack_size", "broken"])
    tasks = own_tasks(tools, SIZES, tmp_path / "run")
    results: dict[str, set[str]] = {"pack_size": set(), "price": set()}
    for task in tasks.train:
        for step, after in zip(task.steps, task.steps[1:], strict=False):
            if isinstance(step, Call):
                assert isinstance(after, Observation)
                results[step.tool].add(after.content)
    assert results["pack_size"] == {"42 boxes"}
    assert len(results["price"]) > 3, "simulated"
    assert any("no scales" in reason for reason, _, _ in tasks.dropped)
    assert tasks.coverage["broken"].calls == 0


def test_coverage_counts_nested_fields_and_choices() -> None:
    size = {"enum": ["s", "m", "l"]}
    item = obj({"name": TEXT, "size": size}, "name")
    tool = Tool(
        name="order",
        description="Order",
        parameters=obj({"items": {"type": "array", "items": item}, "note": TEXT}, "items"),
    )
    task = own_tasks_of(tool, {"items": [{"name": "a", "size": "s"}, {"name": "b", "size": "m"}]})
    found = coverage([tool], [task])["order"]
    assert found.calls == 1
    assert (found.arguments, found.optional) == (Used(3, 4), Used(1, 2))
    assert found.choices == Used(2, 3)


def own_tasks_of(tool: Tool, arguments: dict[str, Any]) -> Any:
    from umi_lite.protocol.trajectory import Trajectory

    call = Call(tool=tool.name, arguments=arguments)
    return Trajectory(id="t", source="synth", tools=(tool,), instruction="x", steps=(call,))


def test_a_recipe_keeps_its_stages_and_gets_the_tasks(tmp_path: Path) -> None:
    recipe = load_recipe("toolworld/smollm2-135m", variant="single")
    made = adapted(recipe, "adapt-x", tmp_path / "tasks", 0.5)
    assert made.stages.local is None and made.stages.global_ is not None
    assert made.stages.global_.max_steps == -(-(recipe.stages.global_.max_steps or 0) // 2)
    assert [data.path for data in made.data] == [str(tmp_path / "tasks" / "train.jsonl")]
    assert [data.source for data in made.eval.data] == ["synth"]
    assert json.loads(made.model_dump_json())["export"]["quantize"] == "F16"
    assert MADE == "made.json"
