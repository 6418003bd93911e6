"""A function's type hints and docstring as a JSON Schema, and JSON as its arguments."""

import enum
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import AfterValidator, BaseModel, Field

from umi_lite.errors import UserError
from umi_lite.tools.tools import ToolError, tool


class Room(BaseModel):
    """A room
    of a hotel."""

    title: str
    beds: int = Field(default=2, ge=1)
    free_from: date | None = None


class Chain(BaseModel):
    rest: "Chain | None" = None


@dataclass
class Point:
    x: float
    y: float = 0.0


class Board(enum.Enum):
    NONE = "none"
    HALF = "half"


ROOM = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "beds": {"type": "integer", "minimum": 1},
        "free_from": {"type": "string", "format": "date"},
    },
    "required": ["title"],
    "description": "A room of a hotel.",
}


def with_hint(hint: Any, default: Any = ...):
    def function(x):
        """Do it."""
        return repr(x)

    function.__annotations__["x"] = hint
    function.__defaults__ = None if default is ... else (default,)
    return function


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (Any, {}),
        (list, {"type": "array"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict, {"type": "object", "additionalProperties": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Board, {"type": "string", "enum": ["none", "half"]}),
        (Annotated[str, "a text"], {"type": "string", "description": "a text"}),
        (
            Annotated[int, Field(ge=1, le=5, description="how\nmany")],
            {"type": "integer", "maximum": 5, "minimum": 1, "description": "how many"},
        ),
        (list[Annotated[int, Field(gt=0)]],
         {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}}),
        (Room, ROOM),
        (list[Room], {"type": "array", "items": ROOM}),
        (Point, {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                 "required": ["x"]}),
    ],
)  # fmt: skip
def test_hints(hint, schema):
    parameters = tool(with_hint(hint)).spec.parameters
    assert parameters["properties"] == {"x": schema}
    assert parameters["required"] == ["x"]
    named = list(parameters["properties"]["x"])
    assert named[:1] == ["type"] or "type" not in named, "first, as prompts have it"


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str | None, {"type": "string"}),
        (Optional[int], {"type": "integer"}),  # noqa: UP045 - both spellings are users'
        (Annotated[int | None, Field(ge=1)], {"type": "integer", "minimum": 1}),
        (int | str | None, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Room | None, ROOM),
        (Any, {}),
    ],
)
def test_null_that_only_means_left_out_is_not_offered(hint, schema):
    parameters = tool(with_hint(hint, None)).spec.parameters
    assert (parameters["properties"], parameters["required"]) == ({"x": schema}, [])


@pytest.mark.parametrize(
    ("hint", "value", "made"),
    [
        (float, 2, "2"),
        (Annotated[float, Field(gt=0)], 2, "2"),
        (list[float], [1, 2], "[1, 2]"),
        (date, "2024-02-29", "datetime.date(2024, 2, 29)"),
        (Board, "half", "<Board.HALF: 'half'>"),
        (Decimal, 1, "Decimal('1')"),
        (set[int], [2, 2], "{2}"),
        (dict[int, str], {"1": "a"}, "{1: 'a'}"),
        (Point, {"x": 1}, "Point(x=1.0, y=0.0)"),
        (Room, {"title": "A"}, "Room(title='A', beds=2, free_from=None)"),
    ],
)
def test_arguments_are_what_the_hints_say(hint, value, made):
    assert tool(with_hint(hint)).call({"x": value}) == made


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (Annotated[int, Field(ge=1, le=5)], -3, "x: -3 is less than the minimum of 1"),
        (Annotated[str, Field(pattern="^[a-z]+$")], "A", "x: 'A' does not match '^[a-z]+$'"),
        (Room, {"title": "A", "beds": 0}, "x.beds: 0 is less than the minimum of 1"),
        (date, "2024-02-30", "x: Input should be a valid date"),
        (Room, {"title": "A", "free_from": "soon"}, "x.free_from: Input should be a valid date"),
        (Annotated[int, AfterValidator(lambda n: 1 // n)], 0, "ZeroDivisionError"),
    ],
)
def test_arguments_that_break_a_hint_are_refused_before_the_call(hint, value, said):
    called = []

    def function(x):
        """Do it."""
        called.append(x)

    function.__annotations__["x"] = hint
    with pytest.raises(ToolError) as err:
        tool(function).call({"x": value})
    assert str(err.value).startswith(said) and "\n" not in str(err.value) and not called


def test_defaults_written_as_fields():
    def book(
        seats: int = Field(ge=1),
        note: str = Field(default="-", description="a note"),
        extras: list[int] = Field(default_factory=list),  # noqa: B008 - as pydantic's users write
    ) -> str:
        """Book."""
        extras.append(seats)
        return f"{seats} {note} {extras}"

    made = tool(book)
    assert made.spec.parameters["required"] == ["seats"]
    assert made.spec.parameters["properties"]["note"] == {"type": "string", "description": "a note"}
    assert made.call({"seats": 2}) == "2 - [2]"
    assert made.call({"seats": 3, "note": "x"}) == "3 x [3]", "a list of its own"


def refused(function) -> str:
    with pytest.raises(UserError) as err:
        tool(function)
    assert "\n" not in str(err.value)
    return str(err.value)


class Unknown:
    pass


def test_what_cannot_be_described_is_refused_by_name():
    def no_hint(x):
        """Do it."""

    def odd_hint(when: Unknown):
        """Do it."""

    def endless(chain: Chain):
        """Do it."""

    def missing(x: "Ghost"):  # noqa: F821 # type: ignore[name-defined]
        """Do it."""

    def star(*rest: int):
        """Do it."""

    def undocumented(x: int):
        pass

    def stale(x: int):
        """Do it.

        Args:
            y: no such parameter
        """

    assert "no_hint: parameter 'x' has no type hint" in refused(no_hint)
    assert "parameter 'when'" in refused(odd_hint) and "pydantic model" in refused(odd_hint)
    assert "parameter 'chain': Chain contains itself" in refused(endless)
    assert "parameter 'x': its type hint cannot be resolved: name 'Ghost'" in refused(missing)
    assert "parameter 'rest'" in refused(star)
    assert "undocumented" in refused(undocumented)
    assert "'y'" in refused(stale)


def test_a_return_hint_need_not_resolve():
    def look(x: int) -> "Ghost":  # noqa: F821 # type: ignore[name-defined]
        """Look."""

    assert list(tool(look).spec.parameters["properties"]) == ["x"]
