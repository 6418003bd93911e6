"""Programs that solve problems run at every level, and give what they should."""

import pytest
from asuser import as_user
from benign_programs import PLAIN, SYMPY

_RUN = """
import json, sys
from dataclasses import asdict
from umi_lite.sandbox.sandbox import Sandbox
level, programs = json.load(sys.stdin)
with Sandbox(level) as sandbox:
    print(json.dumps({name: asdict(sandbox.run(code)) for name, code in programs.items()}))
"""


@pytest.fixture(scope="module")
def results(level):
    programs = {name: code for name, (code, _) in {**PLAIN, **SYMPY}.items()}
    return as_user(_RUN, (level, programs))


@pytest.mark.parametrize("name", [*PLAIN, *SYMPY])
def test_a_harmless_program_succeeds(results, level, name):
    if name in SYMPY:
        pytest.importorskip("sympy")
    result = results[name]
    expected = {**PLAIN, **SYMPY}[name][1]
    assert result["status"] == "ok", result
    assert result["stdout"] + (result["value"] or "") == expected
    assert result["level"] == level


def test_there_are_enough_of_them():
    assert len(PLAIN) >= 60 and len(SYMPY) >= 15
