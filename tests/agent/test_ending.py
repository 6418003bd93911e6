"""Every way that an episode ends has its reason and what to try, in one line."""

from typing import get_args

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds
from umi_lite.agent.ending import ending
from umi_lite.agent.trace import StopReason, Trace, TraceTurn
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory
from umi_lite.tools.tools import Toolbox

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


def double(n: int) -> int:
    """Twice the number."""
    return 2 * n


def leave() -> str:
    """End the program."""
    raise SystemExit(3)


def end(*turns, n_ctx=100_000, **bounds):
    agent = Agent(Scripted(*turns, n_ctx=n_ctx), Toolbox([double, leave]), Bounds(**bounds))
    return ending(agent.run("Do it."))


@pytest.mark.parametrize(
    ("turns", "bounds", "said"),
    [
        ([GIVE_UP], {}, "the planner gave up; say it in other words, or give tools"),
        ([CALLER], {"max_calls": 0}, "the planner wanted more than 0 calls; raise --max-calls"),
        ([CALLER, 'double {"n": 1}'] * 2, {}, "with one result; say it in other words, or raise"),
        ([], {"max_seconds": 1e-9}, "before the planner's turn; raise --max-seconds"),
        ([], {"n_ctx": 300}, "do not fit a context of 300; raise --n-ctx"),
        (["no speaker"], {}, "no 'Next:' line: 'no speaker'; say it in other words, or sample"),
        (["Hm and…"], {}, "cut off after 9 tokens: 'Hm and…'; raise --max-thought-tokens"),
        ([CALLER, "double {…"], {}, "raise --max-call-tokens"),
        ([CALLER, "leave {}"], {}, "tool leave: SystemExit: 3; let the tool raise"),
        ([DONE, "It is 6 and…"], {}, "the answer was cut off after 14 tokens; raise --max-answer-"),
    ],
)
def test_the_reason_and_what_to_try(turns, bounds, said):
    made = end(*turns, **bounds)
    assert made is not None and said in made and "\n" not in made


def test_a_whole_answer_needs_no_word():
    assert end(DONE, "It is 6.") is None


@pytest.mark.parametrize("stop", get_args(StopReason))
def test_a_trace_of_an_older_version_has_a_reason_too(stop):
    """It has no `error` where the limit of calls, of time or of an answer's tokens ended it."""
    steps = (Plan(thought="T", next="summarizer"), Answer(text="Hi"))
    task = Trajectory(id="a", source="run", instruction="Hi", steps=steps)
    cut = (TraceTurn(view="summarizer", stop="length"),) if stop == "answer" else ()
    assert ending(Trace(trajectory=task, stop=stop, turns=cut))
