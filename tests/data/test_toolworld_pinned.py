"""Toolworld's tools and tasks stay byte-identical: figures were measured on them."""

import hashlib
import json

import pytest

from umi_lite.data.toolworld import load
from umi_lite.data.toolworld.toolbox import functions
from umi_lite.data.toolworld.world import World
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.tools import tool

_PINNED = {
    "tools": "cbb83a6c29cb27e5",
    "train": "046d8042d9006446",
    "test": "7cc12be6612ba12b",
    "ood": "df181e0cb6c69236",
}


def _fingerprint(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _spec(spec: Tool) -> str:
    return json.dumps([spec.name, spec.description, spec.parameters])


def test_tools() -> None:
    specs = [_spec(tool(made).spec) for made in functions(World("train", 0)).values()]
    assert _fingerprint(specs) == _PINNED["tools"]


@pytest.mark.parametrize("split", ["train", "test", "ood"])
def test_tasks(split: str) -> None:
    lines: list[str] = []
    for made in load(split, 200, seed=3).trajectories:
        lines += [made.id, made.instruction, str(made.gold), *map(_spec, made.tools)]
        lines += [step_text(step, made.tools) for step in made.steps]
    assert _fingerprint(lines) == _PINNED[split]
