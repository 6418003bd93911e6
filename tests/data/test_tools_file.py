"""A Python file of the user's own as a set of tools."""

import sys
from pathlib import Path

import pytest

from umi_lite.data.toolsets import toolset
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Observation

EVERY_KIND = '''
from __future__ import annotations
import functools
import math
import textwrap as wrap
from os.path import *
from dataclasses import dataclass
from typing import Annotated, NewType
from pydantic import Field
from umi_lite.tools.tools import tool

Vector = list[float]
UserId = NewType("UserId", int)
LIMIT = 3

@dataclass
class Point:
    x: int
    y: int

class Counter:
    def __init__(self): self.n = 0
    def add(self, amount: int) -> int:
        """Add to the counter."""
        self.n += amount
        return self.n
    def __call__(self) -> int:
        """Read the counter."""
        return self.n

_counter = Counter()
add = _counter.add
read = _counter

@functools.lru_cache
def area(width: float, height: float) -> float:
    """Area of a rectangle."""
    return width * height

half = functools.partial(area, height=0.5)

async def lookup(key: str) -> str:
    """Look up a key."""
    return key + "=42"

def book(seats: Annotated[int, Field(ge=1, le=5)], at: Point) -> str:
    """Book seats."""
    return f"{seats} at {at}"

def _say(word: str) -> str:
    """Say a word."""
    return word

speak = tool(_say, name="say")

def clean(s):
    return s.strip()

root = math.sqrt
double = lambda n: 2 * n
'''


def write(folder: Path, text: str, name: str = "my_tools.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path | str) -> tuple[dict[str, object], list[str]]:
    """The tools' names with their box, and the notes."""
    notes: list[str] = []
    box = toolset(str(path), notes.append)
    return {spec.name: box for spec in box.specs}, notes


def refused(path: Path | str) -> str:
    with pytest.raises(UserError) as err:
        toolset(str(path), pytest.fail)
    assert "\n" not in str(err.value)
    return str(err.value)


def test_every_kind_of_function_is_a_tool_or_has_its_line(tmp_path):
    path = write(tmp_path, EVERY_KIND)
    notes: list[str] = []
    box = toolset(str(path), notes.append)
    assert [spec.name for spec in box.specs] == [
        "add",
        "read",
        "area",
        "half",
        "lookup",
        "book",
        "say",
    ]
    told = dict(zip(["clean", "root", "double"], notes, strict=True))
    for name, note in told.items():
        assert note.startswith(f"tools {path}: tool {name}: ") and "left out" in note
        assert "\n" not in note
    seen = [
        box.call(Call(tool=name, arguments=arguments))
        for name, arguments in [
            ("add", {"amount": 2}), ("read", {}), ("area", {"width": 2, "height": 3}),
            ("half", {"width": 4}), ("lookup", {"key": "a"}),
            ("book", {"seats": 2, "at": {"x": 1, "y": 2}}), ("say", {"word": "hi"}),
        ]
    ]  # fmt: skip
    said = ["2", "2", "6", "2.0", "a=42", "2 at Point(x=1, y=2)", "hi"]
    assert seen == [Observation(content=text) for text in said]


def test_a_bound_of_the_schema_is_checked_before_the_call(tmp_path):
    box = toolset(str(write(tmp_path, EVERY_KIND)), lambda _: None)
    seen = box.call(Call(tool="book", arguments={"seats": -3, "at": {"x": 1, "y": 2}}))
    assert seen == Observation(content="seats: -3 is less than the minimum of 1", error=True)


def test_a_file_imports_its_neighbours_now_and_in_a_call(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    write(tmp_path, "def clean(s): return s.strip()", "umi_case_neighbour.py")
    write(tmp_path, "def loud(s): return s.upper()", "umi_case_late.py")
    write(tmp_path, "raise RuntimeError('a neighbour hides a library')", "wave.py")
    path = write(
        tmp_path,
        "from umi_case_neighbour import clean\n"
        "def shout(text: str) -> str:\n"
        '    """Say a text loudly."""\n'
        "    from umi_case_late import loud\n"
        "    import wave\n"
        "    return loud(clean(text))\n",
    )
    box = toolset(str(path), pytest.fail)
    assert box.call(Call(tool="shout", arguments={"text": " a "})) == Observation(content="A")


HEAD = 'def shout(text: str) -> str:\n    """Say a text loudly."""\n    return text.upper()\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "import sys\nsys.exit('config missing')\n", ":5: SystemExit: config missing"),
        (HEAD + "exit(3)\n", ":4: SystemExit: 3"),
        (HEAD + "def f(:\n", ":4: SyntaxError: invalid syntax"),
        (HEAD + "import umi_case_ghost\n", ":4: ModuleNotFoundError: No module named"),
        (HEAD + "from json import ghost\n", ":4: ImportError: cannot import name 'ghost'"),
        (HEAD + "x = {}['key']\n", ":4: KeyError: 'key'"),
        (HEAD + "import json\njson.loads('{')\n", ":5: JSONDecodeError: "),
        (HEAD + "import umi_case_broken\n", "umi_case_broken.py:2: SyntaxError: "),
        ("x = 1\n", ": it defines no public function"),
        ("def clean(s): return s\n", ": tool clean: the function has no docstring"),
        ("from textwrap import dedent\ndef _f(x: int):\n    '''F.'''\n", ": it defines no public"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_place(tmp_path, monkeypatch, text, said):
    monkeypatch.setattr(sys, "path", list(sys.path))
    write(tmp_path, "x = 1\ndef f(:\n", "umi_case_broken.py")
    path = write(tmp_path, text)
    where = path.parent if said.startswith("umi_case") else path
    assert refused(path).startswith(f"tools {where}{'/' if where != path else ''}{said}")


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes(b"x = '\xe9'\n")
    assert refused(path).startswith(f"tools {path}: ")


def test_a_byte_order_mark_and_a_name_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "\ufeff" + HEAD)
    assert list(load("~/my_tools.py")[0]) == ["shout"]


def test_the_same_file_changed_is_read_again(tmp_path):
    for name in ("one", "two"):
        path = write(tmp_path, f'def {name}() -> str:\n    """Do it."""\n    return "{name}"\n')
        assert list(load(path)[0]) == [name]
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize("name", ["nothing", "nothing.py", "README.md"])
def test_no_such_set(name):
    assert "name one of everyday, everyday=FOLDER, python, toolworld, wild, " in refused(name)
