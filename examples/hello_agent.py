"""The whole Python API: tools, an engine, an agent, its trace.

    python examples/hello_agent.py ["your instruction"]

The untrained embedded model plays all roles here, so expect grammatical nonsense. After
`make quickstart`, `open_roles(load_bundle("runs/quickstart"))` is the engine with trained roles.
"""

import sys
from pathlib import Path
from typing import Literal

from umi_lite import Agent, Bounds, Engine, Toolbox, python_tool, tool
from umi_lite.weights.embedded import embedded_gguf


def temperature(city: str, unit: Literal["C", "F"] = "C") -> str:
    """The temperature in a city right now.

    Args:
        city: the city's name
        unit: Celsius or Fahrenheit
    """
    return f"{city}: {18 if unit == 'C' else 64} {unit}"


def main(instruction: str = "How warm is it in Rome?", trace_path: Path | None = None) -> None:
    toolbox = Toolbox([tool(temperature), python_tool()])
    base = embedded_gguf()
    with Engine(base, {"planner": None, "caller": None, "summarizer": None}, n_ctx=1024) as engine:
        agent = Agent(engine, toolbox, Bounds(max_calls=3, max_answer_tokens=60))
        trace = agent.run(instruction, trace_path=trace_path)
    for step in trace.trajectory.steps:
        print(step)
    print(f"{trace.stop}: {trace.answer!r} in {trace.seconds:.1f} s, {trace.tokens} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:2])
