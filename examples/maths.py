"""Maths with programs: the agent writes Python, which the kernel confines.

python examples/maths.py ["your problem"]
"""

import sys

from umi_lite import Agent, Bounds


def main(
    problem: str = "Ann has 3 bags of 12 apples and gives away 7. How many has she left?",
    bundle: str | None = None,
) -> None:
    bounds = Bounds(max_calls=4, max_call_tokens=200, max_observation_chars=400)
    with Agent.load(bundle, tools=["python"], bounds=bounds) as agent:
        trace = agent.run(problem)
    for step in trace.trajectory.steps:
        print(step)
    print(trace.answer or f"no answer: {trace.stop}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
