"""The public API: `from umi_lite import …`."""

import subprocess
import sys

import pytest

import umi_lite


@pytest.mark.parametrize("name", umi_lite.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(umi_lite, name).__name__ == name


def test_another_name_is_refused_with_the_choices() -> None:
    with pytest.raises(AttributeError, match=r"no 'agent_of'; it has Agent, Bounds"):
        umi_lite.agent_of  # noqa: B018 - the access raises


def test_a_short_script_runs_an_agent_and_imports_no_torch() -> None:
    script = """
import sys
from umi_lite import Agent, Bounds, Engine, Toolbox, tool
from umi_lite.weights.embedded import embedded_gguf

def double(number: int) -> int:
    "Twice a number."
    return 2 * number

roles = dict.fromkeys(("planner", "caller", "summarizer"))
with Engine(embedded_gguf(), roles, n_ctx=512) as engine:
    agent = Agent(engine, Toolbox([tool(double)]), Bounds(max_calls=1, max_answer_tokens=4))
    print(agent.run("What is twice 4?").stop)
assert not {"torch", "transformers"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
