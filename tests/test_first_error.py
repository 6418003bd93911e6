"""pydantic's errors as one line."""

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from umi_lite.errors import first_error


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int

    @field_validator("size")
    @classmethod
    def _positive(cls, size: int) -> int:
        if size < 1:
            raise ValueError("a size is positive")
        return size


class Whole(BaseModel):
    parts: list[Part] = []
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"parts": [{"size": 1}, {}]}, "parts.1.size: missing"),
        ({"parts": [{"size": 1, "colour": 2}]}, "parts.0.colour: unknown key"),
        ({"parts": [{"size": 0}]}, "parts.0.size: a size is positive"),
        ({"kind": "c"}, "kind: input should be 'a' or 'b'"),
    ],
)
def test_a_line_says_where_and_what(value: dict, line: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Whole.model_validate(value)
    assert first_error(raised.value) == line


def test_an_error_of_the_whole_has_its_name() -> None:
    with pytest.raises(ValidationError) as raised:
        Whole.model_validate_json("{")
    assert first_error(raised.value, "the file").startswith("the file: invalid JSON: ")
    assert first_error(raised.value).startswith("invalid JSON: ")
