"""The example that the README shows runs as it stands."""

import runpy
from pathlib import Path

from umi_lite.agent.trace import Trace

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello_agent.py"


def test_hello_agent(tmp_path, capsys):
    path = tmp_path / "trace.json"
    runpy.run_path(str(EXAMPLE))["main"]("How warm is it in Oslo?", path)
    trace = Trace.load(path)
    assert trace.trajectory.instruction == "How warm is it in Oslo?"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{trace.stop}: ")
