import json
import re

import pytest
from datafiles import data_file

from umi_lite.data import toolalpaca
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan

SPEC = {
    "openapi": "3.0.0",
    "paths": {
        "/pets/{id}": {
            "get": {
                "description": "Find a pet.",
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "description": "its number",
                        "required": True,
                        "schema": {"type": "integer"},
                    },
                    {"name": "lang", "in": "query", "schema": {"type": "string", "enum": ["en"]}},
                ],
            }
        },
        "/pets": {
            "post": {
                "summary": "Add a pet.",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}
                    }
                },
            }
        },
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "how it is called"},
                    "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
                },
                "required": ["name"],
            }
        }
    },
}
API = {
    "Name": "Pets",
    "Documentation": json.dumps(SPEC),
    "Function_Description": {"findPet": "Find a pet.", "addPet": "Add a pet.", "components": ""},
    "Function_Projection": {"findPet": ["/pets/{id}", "get"], "addPet": ["/pets", "post"]},
}


def step(action: str, given: object, seen: str = "Status Code: 200. Response: ok") -> list:
    written = f" I need {action}.\nASSISTANT Action: {action}\nASSISTANT Action Input: {given}"
    return [[action, given, written], seen]


GOOD = {
    "input": "Find pet 7.\nHint: say please.",
    "output": "It is Tom.",
    "Final Thought": "Thought: I know it.",
    "intermediate_steps": [
        step("getDetails", '{"Question": "Which?"}', "Pet 7"),
        step("findPet", '{"id": 7}', "Status Code: 404. Response: none"),
    ],
}


def load(tmp_path, *instances: object, api: dict = API):
    path = tmp_path / "train_data.json"
    path.write_text(json.dumps([{**api, "Instances": list(instances)}]))
    return toolalpaca.load(path)


def test_an_instance_becomes_a_trajectory(tmp_path) -> None:
    (made,) = load(tmp_path, GOOD).trajectories
    assert made.instruction == "Find pet 7."
    assert made.steps == (
        Plan(thought="I need getDetails.", next="caller"),
        Call(tool="getDetails", arguments={"Question": "Which?"}),
        Observation(content="Pet 7"),
        Plan(thought="I need findPet.", next="caller"),
        Call(tool="findPet", arguments={"id": 7}),
        Observation(content="Status Code: 404. Response: none", error=True),
        Plan(thought="I know it.", next="summarizer"),
        Answer(text="It is Tom."),
    )
    assert made.meta == {"record": 1, "instance": 1, "api": "Pets"}


def test_tools_with_what_is_required(tmp_path) -> None:
    (made,) = load(tmp_path, GOOD).trajectories
    assert [tool.name for tool in made.tools] == ["getDetails", "findPet", "addPet"]
    assert made.tools[1].parameters == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "description": "its number"},
            "lang": {"type": "string", "enum": ["en"]},
        },
        "required": ["id"],
    }
    added = made.tools[2]
    assert added.description == "Add a pet." and added.parameters["required"] == ["name"]
    # A schema that holds itself ends somewhere.
    assert len(json.dumps(added.parameters)) < 3000


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ("an error", "an instance is not a JSON object"),
        ({"error": "time-out"}, "no intermediate steps"),
        ({**GOOD, "intermediate_steps": []}, "no intermediate steps"),
        ({**GOOD, "intermediate_steps": GOOD["intermediate_steps"] * 3}, "more than 5 steps"),
        ({**GOOD, "intermediate_steps": GOOD["intermediate_steps"][:1]}, "only asks the user"),
        ({**GOOD, "intermediate_steps": [step("fly", "{}")]}, "a tool that the API does not have"),
        ({**GOOD, "intermediate_steps": [step("findPet", "{7")]}, "not a JSON object"),
        (
            {**GOOD, "intermediate_steps": [["findPet", "x"]]},
            "[[action, input, text], observation]",
        ),
        ({**GOOD, "output": None}, "'output' must be str"),
    ],
)
def test_what_does_not_fit_is_dropped(tmp_path, instance: object, reason: str) -> None:
    loaded = load(tmp_path, GOOD, instance, GOOD)
    assert [made.meta["instance"] for made in loaded.trajectories] == [1, 3]
    ((where, why),) = loaded.dropped
    assert where.endswith("train_data.json:1.2") and reason in why


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Documentation": "{"}, "OpenAPI document is not JSON"),
        ({"Documentation": None}, "'Documentation' must be str"),
        ({"Function_Projection": {"f": ["/none", "get"]}}, "has no /none get"),
        ({"Function_Projection": {"f": "/pets"}}, "a path and a method"),
    ],
)
def test_an_api_without_tools_is_dropped(tmp_path, changed: dict, reason: str) -> None:
    loaded = load(tmp_path, GOOD, api={**API, **changed})
    assert not loaded.trajectories
    assert reason in loaded.dropped[0].reason


def test_the_evaluation_file_at_hand() -> None:
    path = data_file("toolalpaca/eval_simulated.json")
    loaded = toolalpaca.tasks(path)
    assert (len(loaded.trajectories), loaded.dropped) == (100, [])
    first = loaded.trajectories[0]
    assert first.steps == () and first.meta["api"] == "Axolotl"
    golden = {"tool": "getRandomAxolotlImage", "arguments": "{}", "optional": False}
    assert first.meta["golden"] == [golden]
    for task in loaded.trajectories:
        names = {tool.name for tool in task.tools}
        assert {call["tool"] for call in task.meta["golden"]} <= names, task.meta
    trained = toolalpaca.load(path)
    assert not trained.trajectories
    assert trained.drop_table()[0][:2] == ("an evaluation task: it has no steps to train on", 100)


def test_tools_require_what_the_descriptions_say_is_required() -> None:
    """The file says it twice: in OpenAPI, which is read, and in words, which leave some out."""
    path = data_file("toolalpaca/eval_simulated.json")
    told: dict[tuple[str, str], dict[str, str]] = {}
    for api in json.loads(path.read_text()):
        for name, text in api["Function_Description"].items():
            found = re.search(r"^Parameters: (\{.*\})$", text, re.MULTILINE)
            told[api["Name"], name] = json.loads(found[1]) if found else {}
    compared = 0
    for task in toolalpaca.tasks(path).trajectories:
        for tool in task.tools[1:]:
            said = told[task.meta["api"], tool.name]
            assert list(tool.parameters["properties"]) == list(said), tool
            required = {name for name, text in said.items() if text.startswith("Required")}
            assert required <= set(tool.parameters.get("required", [])), tool
            compared += len(required)
    assert compared > 500


def test_a_judge_s_verdicts_are_no_data() -> None:
    loaded = toolalpaca.load(data_file("toolalpaca/format_example_ToolAlpaca7b.json"))
    ((reason, count, _),) = loaded.drop_table()
    assert (len(loaded.trajectories), count) == (0, 100)
    assert reason == "a judge's verdict on a model's output: never training data"


def test_another_object_is_refused(tmp_path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(API))
    with pytest.raises(UserError, match="a JSON list of records"):
        toolalpaca.load(path)
