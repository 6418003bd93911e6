"""The turns of an agent as they are written, in a loop and in asyncio.

python examples/stream.py ["your question"]
"""

import asyncio
import sys

from umi_lite import Agent


def main(question: str = "What is 12 * 34?", bundle: str | None = None) -> None:
    with Agent.load(bundle) as agent:
        last = ""
        stream = agent.stream(question)
        for speaker, text in stream:
            if speaker != last:
                print(f"\n{speaker}: ", end="")
                last = speaker
            print(text, end="", flush=True)
        assert stream.trace is not None
        print(f"\n{stream.trace.stop} after {stream.trace.generated} tokens")
        asyncio.run(both(agent))


async def both(agent: Agent) -> None:
    """Two tasks at once: the agent runs them one after the other, other coroutines continue."""
    traces = await asyncio.gather(agent.arun("What is 2 + 2?"), agent.arun("What is 3 * 3?"))
    for trace in traces:
        print(trace.trajectory.instruction, trace.answer)


if __name__ == "__main__":
    main(*sys.argv[1:2])
