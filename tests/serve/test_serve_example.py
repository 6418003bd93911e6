"""The example of an OpenAI client runs its tool and prints the answer."""

import runpy
from pathlib import Path

import pytest
from serving import CALLER, DONE, Talker, scripted, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "openai_client.py"


def test_the_client_runs_its_tool(capsys: pytest.CaptureFixture[str]) -> None:
    turns = (CALLER, 'temperature {"city": "Rome"}', DONE, "It is 18 degrees in Rome.")
    engine = Talker(scripted(*turns))
    with serving(engine) as running:
        runpy.run_path(str(EXAMPLE))["main"](f"{running.url}/v1")
    assert capsys.readouterr().out == "temperature(Rome)\nIt is 18 degrees in Rome.\n"
    assert "18 C" in engine.decode(engine.asked[-1].ids)
