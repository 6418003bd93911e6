"""A tool's result as text, whatever it is: the tool has already run."""

import collections
import datetime
import decimal
import enum
import fractions
import itertools
import pathlib
import sqlite3
import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from umi_lite.tools.result_text import result_text


@dataclass
class Point:
    x: float
    tags: set[str]


class Room(BaseModel):
    beds: int
    day: datetime.date


class Size(enum.Enum):
    SMALL = "small"


class Plain:
    pass


class Wordless:
    def __repr__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("é", "é"),
        ({"a": [1, None, True, "é"]}, '{"a": [1, null, true, "é"]}'),
        (None, "null"),
        (decimal.Decimal("1.50"), "1.50"),
        ({"price": decimal.Decimal("1.50")}, '{"price": "1.50"}'),
        (fractions.Fraction(1, 2), "1/2"),
        (1 + 2j, "(1+2j)"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 8, 5), "2024-02-29T08:05:00"),
        (datetime.timedelta(minutes=90), "1:30:00"),
        ({"b", "a"}, '["a", "b"]'),
        ({1, "a"}, '["a", 1]'),
        (frozenset({10, 9}), "[9, 10]"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xd8\xff", "<3 bytes that are not text>"),
        (float("nan"), "NaN"),
        ({"mean": float("nan"), "most": [float("inf")]}, '{"mean": "NaN", "most": ["Infinity"]}'),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.bool_(True), "true"),
        (np.array([[1, 2], [3, 4]]), "[[1, 2], [3, 4]]"),
        ({"a": np.array([1.0, np.nan])}, '{"a": [1.0, "NaN"]}'),
        (Point(1.5, {"b", "a"}), '{"x": 1.5, "tags": ["a", "b"]}'),
        (Room(beds=2, day=datetime.date(2024, 2, 29)), '{"beds": 2, "day": "2024-02-29"}'),
        ([Room(beds=2, day=datetime.date(2024, 2, 29))], '[{"beds": 2, "day": "2024-02-29"}]'),
        (Size.SMALL, "small"),
        ({Size.SMALL: 1, (1, 2): 2, 3: 4}, '{"small": 1, "[1, 2]": 2, "3": 4}'),
        (collections.deque([1]), "[1]"),
        (range(3), "[0, 1, 2]"),
        ((i for i in "ab"), '["a", "b"]'),
        ({"a": 1}.items(), '[["a", 1]]'),
        (types.MappingProxyType({"a": 1}), '{"a": 1}'),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (ValueError("no"), "no"),
        (Wordless(), "<Wordless>"),
        ([Wordless()], '["<Wordless>"]'),
        ("a\ud800b", "a?b"),
    ],
)  # fmt: skip
def test_text(result: Any, text: str) -> None:
    assert result_text(result) == text


def test_a_row_of_a_database() -> None:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    rows = database.execute("select 1 as a, 'x' as b").fetchall()
    assert result_text(rows) == '[{"a": 1, "b": "x"}]'


def test_no_memory_address() -> None:
    assert result_text(Plain()) == f"<{__name__}.Plain object>"


def test_what_has_no_end_is_cut() -> None:
    assert result_text(itertools.count()).startswith("[0, 1, 2, ")


def test_what_cannot_be_written_at_all_is_still_text() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert result_text(cycle) == "[1, [...]]"
    assert result_text(10**5000) == "<int>"
