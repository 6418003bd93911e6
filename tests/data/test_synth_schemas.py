"""Odd schemas and wordings: a counted reason or sound tasks, never a crash."""

from typing import Any

import jsonschema
import pytest

from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.generate import load
from umi_lite.data.synth.plans import Mix
from umi_lite.data.synth.wording import SynthTool, Wording
from umi_lite.protocol.trajectory import Call, Tool

TEXT: dict[str, Any] = {"type": "string"}
ONE = Mix(**{name: 0 for name in Mix().shares()} | {"one": 1})


def obj(
    properties: dict[str, Any], required: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed, **more}


def many(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


NODE = {"Node": obj({"name": TEXT, "children": many({"$ref": "#/$defs/Node"})}, ["name"])}
ENDLESS = {"N": obj({"next": {"$ref": "#/$defs/N"}})}
ADDRESS = obj({"street": TEXT, "city": TEXT})
ITEM = obj({"sku": TEXT, "qty": {"type": "integer"}})
CHOICE = {"oneOf": [obj({"card": TEXT}), obj({"iban": TEXT})]}
SOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "create_node": ("Create a node", obj({"node": {"$ref": "#/$defs/Node"}}, **{"$defs": NODE})),
    "self": ("Look at itself", {"$ref": "#"}),
    "hundred": ("Do a thing with many settings", obj({f"p{i}": TEXT for i in range(100)}, [])),
    "undescribed": ("", obj({"a": {}})),
    "no.params.at_all": ("Ping the server", {}),
    "получить_погоду": ("Получить погоду", obj({"город": TEXT})),
    "wetter.äöü": ("Wetter für eine Stadt", obj({"stadt": TEXT})),
    "set_level": ("Set a level", obj({"level": {"type": ["integer", "null", "string"]}})),
    "find_item": ("Find an item", obj({"key": {"anyOf": [{"type": "integer"}, TEXT]}})),
    "pay": ("Pay", obj({"method": CHOICE})),
    "ship": ("Ship it", obj({"to": obj({"name": TEXT, "address": ADDRESS}), "items": many(ITEM)})),
    "pick": ("Pick one", obj({"v": {"enum": [None, "", 1, "two words", True]}})),
    "fixed": ("Use a constant", obj({"v": {"const": "fixed"}, "w": TEXT})),
    "tagged": ("Add tags", obj({"tags": many({"enum": ["a", "b"]}, uniqueItems=True)})),
    "matrix": ("Sum a matrix", obj({"m": many(many({"type": "number"}))})),
    "braces": ("Format {x} with 100% {0}", obj({"a b": TEXT})),
    "nothing": ("Take nothing", obj({"v": {"type": "null"}})),
    "wordy": ("A" * 3000, obj({"q": TEXT})),
    "ghost": ("Book it", {"type": "object", "properties": {}, "required": ["extra"]}),
}
LOOK_AROUND = {"type": "string", "pattern": r"^(?=.*\d).{8,}$"}
CLOSED = {"type": "object", "properties": {}, "required": ["v"], "additionalProperties": False}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "endless": (
        obj({"n": {"$ref": "#/$defs/N"}}, **{"$defs": ENDLESS}),
        "nests more than 4 deep",
    ),
    "hundred_required": (
        obj({f"p{i}": TEXT for i in range(100)}),
        "more than 8 arguments are required",
    ),
    "look_around": (obj({"p": LOOK_AROUND}), "no text can be drawn for the pattern"),
    "bad_pattern": (
        obj({"v": {"type": "string", "pattern": "(["}}),
        "is not a regular expression",
    ),
    "impossible": (
        obj({"v": {"type": "integer", "minimum": 5, "maximum": 3}}),
        "no number is at least 5 and at most 3",
    ),
    "never": (obj({"v": False}), "allows no value"),
    "braced": (obj({"{v}": TEXT}), "its argument '{v}' has a brace in its name"),
    "essay": (obj({"v": {"type": "string", "minLength": 5000}}), "no text of 5000"),
    "closed": (CLOSED, "required 'v' is not among the properties"),
}


def one(name: str, description: str, parameters: dict[str, Any]) -> SynthTool:
    return SynthTool(Tool(name=name, description=description, parameters=parameters), None, "x")


@pytest.mark.parametrize("name", SOUND)
def test_odd_schemas_give_valid_calls(name: str):
    made = one(name, *SOUND[name])
    loaded = load([made], seed=1, count=5, mix=ONE)
    assert loaded.trajectories, loaded.drop_table()
    for task in loaded.trajectories:
        assert fault_of(task) == ""
        for step in task.steps:
            if isinstance(step, Call):
                jsonschema.validate(step.arguments, made.tool.parameters)


@pytest.mark.parametrize("name", REFUSED)
def test_impossible_schemas_are_refused_with_the_reason(name: str):
    parameters, reason = REFUSED[name]
    loaded = load([one(name, "Do it", parameters)], seed=1, count=5)
    assert not loaded.trajectories
    assert reason in loaded.dropped[0].reason and loaded.dropped[0].where == f"tool {name}"


def test_one_bad_tool_takes_nothing_from_the_others():
    tools = [one(name, *SOUND[name]) for name in SOUND]
    tools += [one(name, "Do it", parameters) for name, (parameters, _) in REFUSED.items()]
    tools.append(one("pick", "Another of the name", obj({"q": TEXT})))
    loaded = load(tools, seed=3, count=120)
    assert len(loaded.trajectories) == 120
    left_out = {drop.where for drop in loaded.dropped if drop.where.startswith("tool ")}
    assert left_out == {*(f"tool {name}" for name in REFUSED), "tool pick"}


@pytest.mark.parametrize(
    ("wording", "reason"),
    [
        (Wording(("Do {b}.",), "it"), "a slot 'b' that is not an argument"),
        (Wording(("Do {a}.",), "it", ("It is {r}.",), {"x": "city"}), "a slot 'r' that is not"),
    ],
)
def test_wordings_that_do_not_fit_their_tool_are_refused(wording: Wording, reason: str):
    made = SynthTool(Tool(name="t", description="d", parameters=obj({"a": TEXT})), wording, "x")
    assert reason in load([made], seed=1, count=3).dropped[0].reason
