"""The grammars accept what the renderer writes, and nothing else."""

import json

import pytest
from llguidance import LLMatcher, LLTokenizer

from umi_lite.errors import UserError
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.grammar import answer_grammar, call_grammar, json_grammar, plan_grammar
from umi_lite.protocol.roles import call_text, parse_call, plan_text
from umi_lite.protocol.trajectory import Call, Plan, Tool

BYTES = LLTokenizer("byte")


def schema(properties, required=(), **more):
    return {"type": "object", "properties": properties, "required": list(required), **more}


WEATHER = Tool(
    name="weather",
    parameters=schema(
        {
            "city": {"type": "string", "description": "where"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
            "unit": {"enum": ["C", "F"]},
            "hours": {"type": "array", "items": {"type": "number"}},
        },
        ["city"],
    ),
)
NOW = Tool(name="now")


def accepts(grammar: str, text: str) -> bool:
    """Is the text a whole turn of the grammar?"""
    assert LLMatcher.validate_grammar(grammar, BYTES) == ""
    matcher = LLMatcher(BYTES, grammar)
    ids = BYTES.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


@pytest.mark.parametrize("who", ["caller", "summarizer", "give_up"])
def test_plan_accepts_what_the_renderer_writes(who):
    assert accepts(plan_grammar(40), plan_text(Plan(thought="Look é up: 1 of 2", next=who)))


@pytest.mark.parametrize(
    "text",
    [
        "Think.\nNext: nobody",
        "Think.\nNext: caller and more",
        "Two\nlines\nNext: caller",
        "\nNext: caller",
        "x" * 41 + "\nNext: caller",
        "No speaker",
    ],
)
def test_plan_refuses(text):
    assert not accepts(plan_grammar(40), text)


@pytest.mark.parametrize("start", ["use get_price: item=", 'say "é\\n": a='])
def test_a_thought_can_begin_with_a_given_text(start):
    grammar = plan_grammar(40, start)
    assert accepts(grammar, f"{start}tea.\nNext: caller")
    assert not accepts(grammar, f"{start}\nNext: caller")
    assert not accepts(grammar, "use it.\nNext: caller")
    assert accepts(grammar, f"{start}{'x' * (40 - len(start))}\nNext: caller")
    assert not accepts(grammar, f"{start}{'x' * (41 - len(start))}\nNext: caller")


def test_without_tools_there_is_no_caller():
    assert not accepts(plan_grammar(40, tools=False), "Think.\nNext: caller")
    assert accepts(plan_grammar(40, tools=False), "Think.\nNext: give_up")


@pytest.mark.parametrize(
    "call",
    [
        Call(tool="now"),
        Call(tool="weather", arguments={"city": 'Saint "X"\n\t\\ é 東京 😀'}),
        Call(tool="weather", arguments={"unit": "F", "city": "Rome", "days": 7}),
        Call(tool="weather", arguments={"city": "", "hours": [1, 2.5, -3e7]}),
        Call(tool="weather", arguments={"city": "Rome", "hours": []}),
    ],
)
def test_call_accepts_what_the_renderer_writes(call):
    tools = (WEATHER, NOW)
    assert accepts(call_grammar(tools), call_text(call, tools))


@pytest.mark.parametrize(
    "text",
    [
        'weather {"city":"Rome"}',
        'weather  {"city": "Rome"}',
        'weather {"days": 1, "city": "Rome"}',
        'weather {"days": 1}',
        'weather {"city": "Rome", "days": 8}',
        'weather {"city": "Rome", "unit": "K"}',
        'weather {"city": "Rome", "extra": 1}',
        'weather {"city": 1}',
        'weather {"city": "Rome"} and',
        'clock {"city": "Rome"}',
        "weather",
    ],
)
def test_call_refuses(text):
    assert not accepts(call_grammar([WEATHER, NOW]), text)


def test_objects_are_closed_unless_the_schema_says_else():
    inner = {"type": "object", "properties": {"a": {"type": "integer"}}}
    free = {"type": "object", "additionalProperties": {"type": "integer"}}
    grammar = call_grammar([Tool(name="t", parameters=schema({"x": inner, "y": free}))])
    assert accepts(grammar, 't {"x": {"a": 1}, "y": {"b": 2}}')
    assert not accepts(grammar, 't {"x": {"b": 1}}')
    assert not accepts(grammar, 't {"y": {"b": "two"}}')


def test_references_and_alternatives():
    point = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
    parameters = schema(
        {"at": {"$ref": "#/$defs/point"}, "to": {"oneOf": [{"type": "null"}, {"type": "string"}]}},
        ["at"],
        **{"$defs": {"point": point}},
    )
    grammar = call_grammar([Tool(name="go", parameters=parameters)])
    assert accepts(grammar, 'go {"at": {"x": 1.5}, "to": null}')
    assert not accepts(grammar, 'go {"at": {"y": 1}}')
    either = {"oneOf": [{"enum": ["a", 1]}, {"const": "b"}, {"type": "boolean"}]}
    assert accepts(
        call_grammar([Tool(name="go", parameters=schema({"to": either}))]), 'go {"to": "b"}'
    )


RELAXED = [
    # The argument's schema, a value that it forbids, and one that it allows.
    ({"type": "integer", "not": {"const": 3}}, "3", "4"),
    ({"type": "array", "uniqueItems": True}, "[1, 1]", "[1, 2]"),
    (
        {"type": "object", "patternProperties": {"^x": {"type": "integer"}, "^y": {}}},
        '{"x": "a"}',
        '{"x": 1}',
    ),
    ({"if": {"type": "integer"}, "then": {"minimum": 3}}, "1", "3"),
    ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "1", "1.5"),
    ({"type": "object", "minProperties": 1}, "{}", '{"a": 1}'),
    ({"type": "array", "contains": {"const": 1}}, "[2]", "[1]"),
    ({"type": "string", "pattern": "^(?!no)"}, '"no"', '"yes"'),
    ({"type": "string", "pattern": r"^\bye|hi$"}, '"x"', '"say hi"'),
    ({"type": "integer", "maximum": 2**64}, "36893488147419103232", "5"),
    (
        {"type": "object", "properties": {"a": {}}, "dependentRequired": {"a": ["b"]}},
        '{"a": 1}',
        "{}",
    ),
    (
        {
            "type": "object",
            "properties": {"kind": {"type": "string"}},
            "if": {"properties": {"kind": {"const": "far"}}},
            "then": {"properties": {"miles": {"type": "integer"}}, "required": ["miles"]},
        },
        '{"kind": "far"}',
        '{"kind": "far", "miles": 3}',
    ),
]


@pytest.mark.parametrize(("inner", "wrong", "right"), RELAXED)
def test_what_a_grammar_cannot_hold_is_checked_before_the_call(inner, wrong, right):
    tool = Tool(name="t", parameters=schema({"a": inner}))
    grammar, check = call_grammar([tool]), Check(tool.parameters)
    for value, fault in ((wrong, True), (right, False)):
        assert accepts(grammar, f't {{"a": {value}}}'), value
        assert (check.fault({"a": json.loads(value)}) is not None) is fault, value


@pytest.mark.parametrize(
    ("inner", "wrong", "right"),
    [
        ({"type": "string", "nullable": True}, "1", "null"),
        ({"type": "number", "minimum": 3, "exclusiveMinimum": True}, "3", "4"),
        ({"type": "float", "x-unit": "m", "strict": True}, '"a"', "1.5"),
        ({"type": "dict", "properties": {"a": {"type": "int"}}}, '{"a": "b"}', '{"a": 1}'),
        ({"type": ["str", "null"]}, "1", "null"),
        ({"type": "string", "pattern": "^[a-c]+$"}, '"x"', '"abc"'),
    ],
)
def test_the_dialects_of_other_tools_are_enforced(inner, wrong, right):
    tool = Tool(name="t", parameters=schema({"a": inner}))
    assert accepts(call_grammar([tool]), f't {{"a": {right}}}')
    assert not accepts(call_grammar([tool]), f't {{"a": {wrong}}}')
    assert Check(tool.parameters).fault({"a": json.loads(right)}) is None


def test_keys_of_objects_in_arguments_are_written_in_the_schema_s_order():
    """Whatever order a source has them in, the grammar knows one."""
    point = {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
    far = {"allOf": [{"$ref": "#/$defs/point"}, {"properties": {"z": {"type": "number"}}}]}
    inner = {
        "at": {"$ref": "#/$defs/point"},
        "path": {"type": "array", "items": {"$ref": "#/$defs/point"}},
        "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/point"}},
        "either": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/point"}]},
        "far": far,
    }
    tool = Tool(name="go", parameters=schema(inner, **{"$defs": {"point": point}}))
    swapped = {"y": 2, "x": 1}
    arguments = {
        "far": {"z": 3, **swapped},
        "either": swapped,
        "by_name": {"home": swapped},
        "path": [swapped, swapped],
        "at": swapped,
    }
    text = call_text(Call(tool="go", arguments=arguments), (tool,))
    assert accepts(call_grammar([tool]), text)
    assert parse_call(text).arguments == arguments


def test_one_of_two_arguments():
    parameters = schema({"a": {}, "b": {}}, anyOf=[{"required": ["a"]}, {"required": ["b"]}])
    grammar = call_grammar([Tool(name="t", parameters=parameters)])
    assert accepts(grammar, 't {"b": 1}') and not accepts(grammar, "t {}")


def test_a_required_argument_without_a_schema_can_be_said():
    grammar = call_grammar([Tool(name="t", parameters=schema({"a": {}}, ["ghost"]))])
    assert accepts(grammar, 't {"ghost": "boo"}') and not accepts(grammar, 't {"a": 1}')


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (schema({}, ["ghost"], additionalProperties=False), "'ghost'"),
        ({"type": "string"}, "'string'"),
        (schema({"n": {"type": "string", "pattern": "("}}), r"odd_tool, n: the pattern '\('"),
        (schema({}, patternProperties={"[": {}}), r"the pattern '\['"),
    ],
)
def test_a_schema_that_no_call_can_fulfil_is_refused_by_name(parameters, named):
    with pytest.raises(UserError, match=named) as err:
        call_grammar([Tool(name="odd_tool", parameters=parameters)])
    assert "odd_tool" in str(err.value) and "\n" not in str(err.value)


def test_notes_and_unknown_formats_constrain_nothing():
    noted = {"type": "string", "title": "T", "default": "x", "examples": ["y"], "format": "uint8"}
    grammar = call_grammar([Tool(name="t", parameters=schema({"n": noted}))])
    assert accepts(grammar, 't {"n": "anything"}')


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([], "no tools"),
        ([NOW, NOW], "two tools are named 'now'"),
        ([Tool(name="two words")], "a name has no spaces"),
        ([Tool(name="two\u3000words")], "a name has no spaces"),
        ([Tool(name="bell\a")], "no control characters"),
    ],
)
def test_tools_that_cannot_be_told_apart(tools, message):
    with pytest.raises(UserError, match=message):
        call_grammar(tools)


@pytest.mark.parametrize("name", ["größe", "天気", "math.gcd", 'a"b', "a\\b", "{x}", "r/w:all"])
def test_a_name_is_any_word(name):
    tool = Tool(name=name, parameters=schema({"a": {"type": "integer"}}))
    call = Call(tool=name, arguments={"a": 1})
    assert accepts(call_grammar([tool]), call_text(call, (tool,)))
    assert parse_call(call_text(call, (tool,))) == call


def test_answer_is_any_text_but_none():
    assert accepts(answer_grammar(), "Two lines\nwith {anything} 東京.")
    assert not accepts(answer_grammar(), "")
    assert not accepts(answer_grammar(), " leading")


def test_a_call_of_the_grammar_parses_as_json():
    text = 'weather {"city": "Aé\\n", "days": 2}'
    assert accepts(call_grammar([WEATHER]), text)
    assert json.loads(text.partition(" ")[2]) == {"city": "Aé\n", "days": 2}


@pytest.mark.parametrize("stop", ["END", "\nObs:", "/*", "é", "\\x{2}", "a.b"])
def test_an_answer_ends_with_its_stop_text(stop):
    grammar = answer_grammar([stop, "##"])
    assert accepts(grammar, "It is 6.") and accepts(grammar, f"It is 6.{stop}")
    assert accepts(grammar, "Two # lines\nof text, axb")
    assert not accepts(grammar, f"It is 6.{stop}more") and not accepts(grammar, "It## is 6.")


def test_an_answer_by_a_schema():
    grammar = json_grammar(schema({"n": {"type": "integer"}}, ["n"]), "response_format")
    assert accepts(grammar, '{"n": 6}')
    assert not accepts(grammar, '{"n": "6"}') and not accepts(grammar, '{"n": 6, "m": 1}')
    assert accepts(
        json_grammar({"type": "object", "additionalProperties": True}, "x"), '{"a": [1, {"b": 2}]}'
    )
    with pytest.raises(UserError, match="response_format: parameters are of type object"):
        json_grammar({"type": "string"}, "response_format")


def test_only_some_speakers_can_be_named():
    only = plan_grammar(40, nexts=("caller",))
    assert accepts(only, "Think.\nNext: caller") and not accepts(only, "Think.\nNext: give_up")
