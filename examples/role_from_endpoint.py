"""One role from an OpenAI-compatible endpoint (vLLM, llama-server), the others from the bundle.

    python examples/role_from_endpoint.py http://127.0.0.1:8000/v1#planner ["your question"]

It needs `pip install 'umi-lite[endpoint]'`. The endpoint serves the planner's adapter over the
bundle's base; what follows `#` is the model's name there.
"""

import sys

from umi_lite import Agent


def main(endpoint: str, question: str = "What is 12 * 34?", bundle: str | None = None) -> None:
    with Agent.load(bundle, elsewhere=[f"planner={endpoint}"], timeout=60) as agent:
        trace = agent.run(question)
    print(trace.answer or f"no answer: {trace.stop}: {trace.error}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
