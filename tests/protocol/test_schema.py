"""Tool schemas as people write them: one dialect, and never a traceback."""

import json
import random

import jsonschema
import pytest
from llguidance import LLMatcher, LLTokenizer
from pydantic import ValidationError

from umi_lite.data import toolworld
from umi_lite.engine.language import callable_tools
from umi_lite.protocol.constraints import Check, enforceable
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.roles import tool_line
from umi_lite.protocol.schema import BadSchema, normalised
from umi_lite.protocol.schema_parts import fault, named_type, translated
from umi_lite.protocol.trajectory import Tool

BYTES = LLTokenizer("byte")


def argument(schema, **more):
    """The normalised schema of one argument."""
    return normalised({"type": "object", "properties": {"a": schema}, **more})["properties"]["a"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "string", "enum": None}, {"type": "string"}),
        ({"type": "string", "enum": []}, {"type": "string"}),
        ({"type": "string", "enum": "C or F"}, {"type": "string"}),
        ({"type": "integer", "enum": ["1", "2"]}, {"enum": ["1", "2"]}),
        (
            {"type": "array", "items": {"type": "string"}, "enum": ["a", "b"]},
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        ),
        ({"type": "string", "required": True}, {"type": "string"}),
        ({"type": "object", "properties": None}, {"type": "object"}),
        ({"type": "object", "properties": {"x": None}}, {"type": "object", "properties": {}}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": []}, {}),
        ({"type": None}, {}),
        ({"type": ["str", "NoneType"]}, {"type": ["string", "null"]}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "dict", "properties": {}}, {"type": "object", "properties": {}}),
        ({"type": "any"}, {}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "DATE (YYYY-MM-DD)"}, {"type": "string"}),
        ({"type": "str, optional", "default": ""}, {"type": "string", "default": ""}),
        ({"type": "List[int]"}, {"type": "array", "items": {"type": "integer"}}),
        (
            {"type": "tuple", "items": {"type": "float"}},
            {"type": "array", "items": {"type": "number"}},
        ),
        ({"type": "Optional[str]"}, {"type": ["string", "null"]}),
        ({"type": "int | None"}, {"type": ["integer", "null"]}),
        ({"type": "frobnicator"}, {}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"anyOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"anyOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"minimum": 3, "exclusiveMinimum": True}, {"exclusiveMinimum": 3}),
        ({"minimum": 3, "exclusiveMinimum": False}, {"minimum": 3}),
        ({"maximum": 3, "exclusiveMaximum": True}, {"exclusiveMaximum": 3}),
        ({"exclusiveMaximum": True}, {}),
        ({"type": "integer", "minimum": "3"}, {"type": "integer", "minimum": 3}),
        ({"minLength": -1, "maxLength": 2.0, "multipleOf": 0}, {"maxLength": 2}),
        ({"pattern": None}, {}),
        ({"items": [{"type": "int"}]}, {"prefixItems": [{"type": "integer"}]}),
        ({"anyOf": None, "allOf": []}, {}),
        ("string", {"type": "string"}),
        ("the city's name", {"description": "the city's name"}),
        (True, True),
        ({"x-order": 1, "strict": True}, {"x-order": 1, "strict": True}),
    ],
)  # fmt: skip
def test_an_argument_in_one_dialect(given, made):
    assert argument(given) == made


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({"properties": {"a": {"required": True}, "b": {"required": False}}}, ["a"]),
        ({"properties": {"a": {"required": True}}, "required": True}, ["a"]),
        ({"properties": {"a": {}}, "required": None}, []),
        ({"properties": {"a": {}}, "required": "a"}, ["a"]),
        ({"properties": {"a": {}, "b": {"required": True}}, "required": ["a", 3]}, ["a", "b"]),
    ],
)
def test_what_is_required_is_a_list(given, required):
    assert normalised({"type": "object", **given}).get("required", []) == required


def test_arguments_without_properties_around_them():
    flat = {"city": {"type": "str", "description": "where"}, "days": {"type": "int, optional"}}
    made = normalised(flat)
    assert made["properties"]["days"] == {"type": "integer"}
    assert made["properties"]["city"] == {"type": "string", "description": "where"}
    assert normalised(None) == normalised({"type": "dict", "properties": None}) | {"properties": {}}


@pytest.mark.parametrize(
    "given", [[], 3, "x", {"properties": []}, {"properties": {"a": 3}}, {"properties": {"a": [1]}}]
)
def test_no_schema_is_one_line(given):
    with pytest.raises(BadSchema) as caught:
        normalised(given)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 120
    with pytest.raises(ValueError, match=r"must be|is a JSON object|is expected"):
        Tool(name="t", parameters=given)


def test_a_schema_too_deep_is_refused():
    deep: dict = {"type": "string"}
    for _ in range(100_000):
        deep = {"properties": {"a": deep}}
    with pytest.raises(BadSchema, match="64 deep"):
        normalised(deep)


REFERENCES = {
    "plain": ({"$ref": "#/$defs/City"}, {"City": {"type": "str"}}),
    "old": ({"$ref": "#/definitions/City"}, {"City": {"type": "string"}}),
    "a tree": (
        {"$ref": "#/$defs/Node"},
        {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    ),
    "itself": ({"$ref": "#/$defs/A"}, {"A": {"$ref": "#/$defs/A"}}),
    "a circle": ({"$ref": "#/$defs/A"}, {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}),
    "a circle in anyOf": (
        {"$ref": "#/$defs/A"},
        {"A": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/A"}]}},
    ),
    "nowhere": ({"$ref": "#/$defs/Nothing"}, {}),
    "elsewhere": ({"$ref": "https://example.com/city.json"}, {}),
    "no text": ({"$ref": 3}, {}),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_references_lead_somewhere_or_are_dropped(name):
    schema, defs = REFERENCES[name]
    parameters = {"type": "object", "properties": {"a": schema}, "$defs": defs, "definitions": defs}
    tool = Tool(name="t", parameters=parameters)
    assert LLMatcher.validate_grammar(call_grammar([tool]), BYTES) == ""
    assert Check(tool.parameters).fault({"a": {} if name == "a tree" else "Oslo"}) is None
    assert tool_line(tool).startswith("t(a?: ")
    # A second reading changes nothing.
    assert normalised(tool.parameters) == tool.parameters


def test_a_reference_holds_what_it_names():
    schema, defs = REFERENCES["plain"]
    made = normalised({"type": "object", "properties": {"a": schema}, "$defs": defs})
    assert made["$defs"] == {"City": {"type": "string"}}
    assert Check(made).fault({"a": 3}) == "a: 3 is not of type 'string'"


def test_a_reference_at_the_top_shows_its_arguments():
    args = {"type": "object", "properties": {"city": {"type": "string"}}}
    made = normalised({"$ref": "#/$defs/Args", "$defs": {"Args": args}})
    assert made == args


def test_inherited_and_conditional_arguments_are_shown():
    base = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    parameters = {
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"name": {"type": "string"}}}],
        "if": {"properties": {"name": {"const": "x"}}},
        "then": {"properties": {"why": {"type": "string"}}},
        "$defs": {"Base": base},
    }
    tool = Tool(name="t", parameters=parameters)
    assert list(tool.parameters["properties"]) == ["id", "name", "why"]
    assert tool.parameters["required"] == ["id"]


def test_what_is_well_formed_stays_as_it_is():
    text = '{"required": ["b"], "type": "object", "properties": {"b": {"enum": [1]}}}'
    assert json.dumps(normalised(json.loads(text))) == text
    for made in toolworld.load("train", 60, 3).trajectories:
        for tool in made.tools:
            assert json.dumps(normalised(tool.parameters)) == json.dumps(tool.parameters)
            jsonschema.Draft202012Validator.check_schema(tool.parameters, format_checker=None)


@pytest.mark.parametrize(
    ("pattern", "held"),
    [
        ("^a$", True),
        ("[0-9]", True),
        (r"^\d{4}-\d{2}$", True),
        (r"^[\w.+-]+@[\w-]+\.\w{2,}$", True),
        (r"^(?:a|b)+$", True),
        (r"\$", True),
        ("^a|b$", False),
        ("(?=a)b", False),
        (r"\bfoo\b", False),
        (r"(a)\1", False),
        ("a++", False),
        ("x{,3}", False),
        ("[a&&b]", False),
        ("(?i)a", False),
        ("a$b", False),
        ("(", False),
    ],
)
def test_which_patterns_a_grammar_is_given(pattern, held):
    assert enforceable(pattern) is held


def test_patterns_of_javascript_are_read():
    assert translated(r"^(?<y>\d{4})$") == r"^(?P<y>\d{4})$"
    assert translated(r"^[\w-.]+$") == r"^[\w\-.]+$"
    assert translated("/^a+$/") == "^a+$"
    assert fault("(") is not None and fault("^a$") is None


def test_type_names():
    assert named_type("Union[str, int]") == {"type": ["string", "integer"]}
    assert named_type("HashMap") == {"type": "object"}
    assert named_type("List[List[int]]")["items"]["items"] == {"type": "integer"}
    assert named_type("") == {} == named_type("string or anything")


JUNK = (None, True, False, 0, -1, 2.5, 1e300, "", "x", "string", "(", [], {}, [None], ["a", 1])
KEYWORDS = (
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "multipleOf"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "properties", "required"),
    *("additionalProperties", "items", "prefixItems", "additionalItems", "minItems", "uniqueItems"),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "$ref", "$defs", "definitions", "nullable"),
    *("patternProperties", "dependentRequired", "dependencies", "dependentSchemas", "contains"),
    *("propertyNames", "minProperties", "description", "title", "default", "$schema", "id", "$id"),
)


def junk(chance: random.Random, depth: int = 0):
    """A schema with any value at any keyword."""
    made: dict = {}
    for key in chance.sample(KEYWORDS, chance.randint(1, 4)):
        kind = chance.random()
        if kind < 0.4 or depth > 3:
            made[key] = chance.choice(JUNK)
        elif kind < 0.6:
            made[key] = {"a": junk(chance, depth + 1), "b": chance.choice(JUNK)}
        elif kind < 0.7:
            made[key] = [junk(chance, depth + 1)]
        elif kind < 0.85:
            made[key] = chance.choice(["#", "#/$defs/a", "#/properties/a", "dict", "a|b", "int"])
        else:
            made[key] = junk(chance, depth + 1)
    return made


def test_whatever_stands_for_a_schema_is_read_or_refused_in_one_line():
    chance = random.Random(3)
    read = 0
    for _ in range(3000):
        schema = {"type": "object", "properties": {"a": junk(chance)}, **junk(chance)}
        try:
            tool = Tool(name="t", parameters=schema)
        except ValidationError as err:
            assert "\n" not in err.errors()[0]["msg"]
            continue
        read += 1
        assert normalised(tool.parameters) == tool.parameters, schema
        jsonschema.Draft202012Validator.check_schema(tool.parameters, format_checker=None)
        assert tool_line(tool)
        for value in ({}, {"a": 1}, {"a": "x", "b": [1]}, {"a": {"a": {}}, "b": None}):
            Check(tool.parameters).fault(value)
        kept, refused = callable_tools([tool])
        assert len(kept) + len(refused) == 1
        assert all("\n" not in why and len(why) < 300 for why in refused.values())
    assert read > 1000


SLOW = "^(a|aa)+$"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"a": {"pattern": SLOW}}}, {"a": "a" * 60 + "!"}),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, {"a" * 60 + "!": 1}),
        ({"anyOf": [{"propertyNames": {"pattern": SLOW}}]}, {"a" * 60 + "!": 1}),
        ({"properties": {f"a{n}": {"pattern": SLOW} for n in range(500)}},
         {f"a{n}": "a" * 60 + "!" for n in range(500)}),
    ],
)  # fmt: skip
def test_a_pattern_that_backtracks_for_hours_is_a_fault(schema, value):
    tool = Tool(name="t", parameters={"type": "object", **schema})
    assert "takes longer than 0.25 s" in (Check(tool.parameters).fault(value) or "")


def test_names_by_patterns_are_checked_as_the_standard_says():
    """The same verdicts as jsonschema's own keywords."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "patternProperties": {"^x-": {"type": "string"}, "y$": {"minimum": 3}},
        "additionalProperties": {"type": "boolean"},
    }
    closed = {**schema, "additionalProperties": False}
    values = (1, 5, "s", True)
    for parameters in (schema, closed):
        check, own = Check(parameters), jsonschema.Draft202012Validator(parameters)
        for name in ("a", "x-1", "ax-", "key", "x-y", "b"):
            for value in values:
                found = check.fault({name: value})
                assert (found is None) == own.is_valid({name: value}), (name, value, found)
    assert Check(closed).fault({"b": 1, "c": 2}) == (
        "Additional properties are not allowed ('b', 'c' were unexpected)"
    )
    both = {"unevaluatedProperties": False, "patternProperties": {"^x": {}}}
    assert "cannot be checked" in (Check(both).fault({"a": 1}) or "")
