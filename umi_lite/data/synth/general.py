"""General tools that compute with another tool's result: sums, texts, dates and units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from umi_lite.data.synth.wording import SynthTool, Wording
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools import compute
from umi_lite.tools.tools import ToolFunction, tool


@dataclass(frozen=True)
class GeneralTool:
    """A tool and how it takes a value to compute with.

    Attributes:
        value: the argument that takes the value.
        operand: the argument that takes what the request adds to it (a number, a unit), if any.
        unit: the argument that takes the value's unit, if any.
        sums: True if the value is written into an expression.
    """

    made: SynthTool
    value: str
    operand: str = ""
    unit: str = ""
    sums: bool = False


def _spec(name: str, about: str, **arguments: str) -> Tool:
    """Return a tool with required arguments; `arguments` gives their types."""
    properties = {key: {"type": kind} for key, kind in arguments.items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return Tool(name=name, description=about, parameters=parameters)


def _two(
    names: tuple[str, ...], sign: str, about: str, pairs: tuple[tuple[str, str], ...]
) -> list[GeneralTool]:
    """Return the tools that compute one sign with two numbers."""
    made: list[GeneralTool] = []
    for name, (first, second) in zip(names, pairs, strict=True):
        spec = _spec(name, about, **{first: "number", second: "number"})
        run = _sum(f"{{{first}}} {sign} {{{second}}}")
        made.append(GeneralTool(_synth(ToolFunction(spec, run, pure=True)), first, second))
    return made


def _sum(expression: str) -> Callable[..., str]:
    return lambda **given: compute.calculator(expression.format(**given))


def _renamed(
    function: Callable[..., str],
    names: Mapping[str, Mapping[str, str]],
    value: str,
    operand: str = "",
    unit: str = "",
    sums: bool = False,
) -> list[GeneralTool]:
    """Return a function's tool under several names.

    Args:
        names: each tool's name, with the names of its arguments by the function's; empty for its
            own ones.
        value, operand, unit: which of the function's arguments take what (`GeneralTool`).
    """
    made: list[GeneralTool] = []
    own = tool(function, pure=True)
    for name, arguments in names.items():
        parts = own.spec.parameters
        known = {key: arguments.get(key, key) for key in parts["properties"]}
        properties = {known[key]: schema for key, schema in parts["properties"].items()}
        parameters = {**parts, "properties": properties, "required": list(properties)}
        spec = own.spec.model_copy(update={"name": name, "parameters": parameters})
        one = ToolFunction(spec, _called(function, known), pure=True)
        given, added, measured = (known.get(said, "") for said in (value, operand, unit))
        made.append(GeneralTool(_synth(one), given, added, measured, sums))
    return made


def _called(function: Callable[..., str], known: Mapping[str, str]) -> Callable[..., str]:
    return lambda **given: function(**{key: given[said] for key, said in known.items()})


def _synth(made: ToolFunction) -> SynthTool:
    wording = Wording(
        (), made.spec.description, ("It is {result}.", "That is {result}."), {"result": "text"}
    )
    return SynthTool(made.spec, wording, "general", made)


def lower(text: str) -> str:
    """Text in small letters."""
    return text.lower()


_SUMS = _renamed(
    compute.calculator,
    {
        "calculator": {},
        "evaluate": {"expression": "formula"},
        "math.compute": {"expression": "input"},
        "calc_expression": {"expression": "expr"},
    },
    value="expression",
    operand="expression",
    sums=True,
)
_PAIRS = (("a", "b"), ("x", "y"), ("first", "second"))
BY_WHAT: dict[str, list[GeneralTool]] = {
    "times": _SUMS + _two(("multiply", "product_of", "math.multiply"), "*", "Multiply.", _PAIRS),
    "plus": _SUMS + _two(("add_numbers", "sum_up", "math.add"), "+", "Add two numbers.", _PAIRS),
    "minus": _SUMS
    + _two(
        ("subtract", "difference_of", "math.subtract"), "-", "Subtract the second number.", _PAIRS
    ),
    "by": _SUMS
    + _two(("divide", "quotient_of", "math.divide"), "/", "Divide by the second number.", _PAIRS),
    "upper": _renamed(
        compute.upper,
        {"upper": {}, "to_uppercase": {"text": "value"}, "string.upper": {"text": "string"}},
        value="text",
    ),
    "lower": _renamed(
        lower, {"to_lowercase": {"text": "value"}, "string.lower": {"text": "string"}}, value="text"
    ),
    "reverse": _renamed(
        compute.reverse,
        {"reverse": {}, "reverse_string": {"text": "string"}, "text.mirror": {"text": "content"}},
        value="text",
    ),
    "words": _renamed(
        compute.word_count, {"word_count": {}, "count_words": {"text": "content"}}, value="text"
    ),
    "weekday": _renamed(
        compute.weekday, {"weekday": {}, "day_of_week": {"date": "day"}}, value="date"
    ),
    "later": _renamed(
        compute.add_days,
        {"add_days": {}, "shift_date": {"date": "start", "days": "by_days"}},
        value="date",
        operand="days",
    ),
    "unit": _renamed(
        compute.convert,
        {
            "convert": {},
            "convert_units": {"value": "amount", "unit": "from_unit", "to": "to_unit"},
            "units.change": {"value": "quantity", "unit": "source", "to": "target"},
        },
        value="value",
        operand="to",
        unit="unit",
    ),
}
"""The tools of each operation; they say and compute the same, under other names."""

FUNCTIONS = {
    one.made.tool.name: one.made.function
    for tools in BY_WHAT.values()
    for one in tools
    if one.made.function
}
"""The functions of all general tools, by name."""
