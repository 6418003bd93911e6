"""Tool schemas of real data: each row is trained on, or dropped with its reason."""

import json

import pytest

from umi_lite.data import toolalpaca, traces
from umi_lite.data.openapi import tool_of
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.prompts import view_messages
from umi_lite.protocol.roles import call_text, tool_line
from umi_lite.protocol.trajectory import Call

CITY = {"type": "string"}
REF = {"$ref": "#/$defs/C"}
SCHEMAS = {
    "anyOf": {"properties": {"city": {"anyOf": [CITY, {"type": "null"}]}}},
    "enum null": {"properties": {"city": {**CITY, "enum": None}}},
    "properties null": {"properties": None},
    "required true": {"properties": {"city": {**CITY, "required": True}}, "required": True},
    "required null": {"properties": {"city": CITY}, "required": None},
    "reference": {"properties": {"city": REF}, "$defs": {"C": CITY}},
    "circle": {"properties": {"city": REF}, "$defs": {"C": REF}},
    "types": {"type": "dict", "properties": {"city": {"type": ["str", "null"]}}},
}  # fmt: skip


def row(parameters: dict) -> dict:
    return {
        "id": "t0",
        "source": "mine",
        "tools": [{"name": "get_weather", "parameters": {"type": "object", **parameters}}],
        "instruction": "What is the weather in Oslo?",
        "steps": [
            {"kind": "plan", "thought": "I need the weather.", "next": "caller"},
            {"kind": "call", "tool": "get_weather", "arguments": {"city": "Oslo"}},
        ],
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_row_is_rendered_whatever_its_schema(tmp_path, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(SCHEMAS[name])))
    loaded = traces.load(path)
    (made,) = loaded.trajectories
    for view in ("backbone", "planner", "caller", "summarizer"):
        assert view_messages(made, view)
    call = made.steps[1]
    assert isinstance(call, Call)
    assert call_grammar(made.tools) and call_text(call, made.tools)
    assert tool_line(made.tools[0]).startswith("get_weather(")


def test_a_schema_that_is_none_is_a_dropped_row(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row({"properties": ["city"]})))
    ((_, reason),) = traces.load(path).dropped
    assert reason.startswith("no trajectory: tools.0.parameters: ") and "\n" not in reason


SPEC = {
    "paths": {
        "/pets": {
            "post": {
                "requestBody": {
                    "content": {"json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
                }
            }
        }
    },
    "components": {
        "schemas": {
            "Animal": {"properties": {"name": CITY}, "required": ["name"]},
            "Self": {"$ref": "#/components/schemas/Self"},
            "Pet": {
                "allOf": [
                    {"$ref": "#/components/schemas/Animal"},
                    {
                        "properties": {
                            "age": {"type": "integer", "nullable": True},
                            "kind": {**CITY, "enum": None},
                            "other": {"$ref": "#/components/schemas/Self"},
                            "home": {"anyOf": [CITY, {"$ref": "#/components/schemas/Self"}]},
                        }
                    },
                ]
            },
        }
    },
}  # fmt: skip


def test_an_openapi_body_with_inheritance_and_circles() -> None:
    made = tool_of(SPEC, "add", "/pets", "post").parameters
    assert made["properties"] == {
        "name": CITY,
        "age": {"type": ["integer", "null"]},
        "kind": CITY,
        "other": {},
        "home": {"anyOf": [CITY, {}]},
    }
    assert made["required"] == ["name"]


def test_a_tool_without_a_name_is_a_dropped_api(tmp_path) -> None:
    api = {
        "Name": "A",
        "Documentation": json.dumps(SPEC),
        "Function_Projection": {"": ["/pets", "post"]},
        "Instances": [],
    }
    path = tmp_path / "train.json"
    path.write_text(json.dumps([api]))
    ((_, reason),) = toolalpaca.load(path).dropped
    assert reason == "a tool has no name"
