"""Traces of scripted episodes, as the agent leaves them."""

from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.trace import Trace
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.tools import Toolbox

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 18 °C"


TOOLS = Toolbox([double, weather])
CALLED = (CALLER, 'double {"n": 21}', DONE, "It is 42.")


def episode(
    ident: str, *turns: str | BaseException, words: str = "What is 2 * 21?", **more
) -> Trace:
    """Run an episode whose roles say these turns, by default a call and an answer."""
    task = Trajectory(id=ident, source="run", tools=TOOLS.specs, instruction=words)
    return Agent(Scripted(*(turns or CALLED)), TOOLS, bundle="small").run(task, **more)
