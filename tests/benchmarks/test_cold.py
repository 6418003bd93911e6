"""The plain script that `umi run` is compared with: what it reads and says."""

import json
import subprocess
import sys

from benchmarks import cold
from umi_lite.agent.trace import Trace
from umi_lite.engine.machine import repacks
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory


def test_the_plain_script_says_what_the_roles_said(bundle, tmp_path):
    calculator = Tool(
        name="calculator",
        description="Compute.",
        parameters={"type": "object", "properties": {"expression": {"type": "string"}}},
    )
    steps = (
        Plan(thought="Look.", next="caller"),
        Call(tool="calculator", arguments={"expression": "12 * 34"}),
        Observation(content="408"),
        Plan(thought="Done.", next="summarizer"),
        Answer(text="It is 408."),
    )
    episode = Trajectory(
        id="one", source="run", tools=(calculator,), instruction="What is 12 * 34?", steps=steps
    )
    trace = tmp_path / "trace.json"
    trace.write_text(Trace(trajectory=episode, stop="answer", seconds=1).model_dump_json())
    turns = cold.turns(bundle.path, trace)
    assert len(turns) == 4 and all(heard and said for heard, said in turns)
    given = {
        "repacks": repacks(),
        "options": {"model_path": str(bundle.base), "n_ctx": 512, "n_threads": 1},
        "turns": turns,
    }
    (tmp_path / "plain.json").write_text(json.dumps(given))
    command = [sys.executable, cold.__file__, "--plain", str(tmp_path / "plain.json")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    at = [printed.find(text) for text in ("Look.", "calculator", "12 * 34", "Done.", "It is 408.")]
    assert -1 not in at and at == sorted(at) and "What is" not in printed
