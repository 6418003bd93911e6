"""Tools that another LLM plays: what it is asked, what the agent sees, what is kept for a judge."""

from pathlib import Path

import pytest
from chat_server import chat_server
from scripted import Scripted

from umi_lite.data import traces
from umi_lite.engine.client import Endpoint
from umi_lite.errors import UserError
from umi_lite.evals.judge_prompts import toolalpaca_prompt
from umi_lite.evals.simulated import Simulator, play_simulated
from umi_lite.protocol.trajectory import Observation, Tool, Trajectory

COLOUR = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def task(id_: str) -> Trajectory:
    return Trajectory(
        id=id_,
        source="toolalpaca",
        tools=(Tool(name="find", description="Find an animal.", parameters=COLOUR),),
        instruction="What colour is the axolotl?",
        meta={"golden": [{"tool": "find", "arguments": '{"name": "axolotl"}'}]},
    )


TURNS = (
    "I look.\nNext: caller",
    'find {"name": "axolotl"}',
    "Again.\nNext: caller",
    'find {"name": "newt"}',
    "Done.\nNext: summarizer",
    "It is pink.",
)


def test_the_api_is_played_and_the_trace_can_be_judged(tmp_path: Path) -> None:
    with chat_server(lambda _: 'Status Code: 200. Response: {"colour":\n"pink"}') as server:
        simulator = Simulator(Endpoint(server.url, "api"))
        assert play_simulated(Scripted(*TURNS), [task("a")], simulator, tmp_path) == 1
        prompts = [body["messages"][0]["content"] for body in server.asked]
        assert play_simulated(Scripted(), [task("a")], simulator, tmp_path) == 0
    assert "find(name: string) - Find an animal." in prompts[0]
    assert 'find {"name": "axolotl"}' not in prompts[0].partition("## Request\n")[0]
    assert prompts[1].endswith('## Request\nfind {"name": "newt"}\n')
    assert 'find {"name": "axolotl"}\nStatus Code: 200' in prompts[1]
    (episode,) = traces.load(tmp_path).trajectories
    seen = [step for step in episode.steps if isinstance(step, Observation)]
    assert seen[0].content == 'Status Code: 200. Response: {"colour": "pink"}'
    assert "1. Function: find" in toolalpaca_prompt(episode)


def test_a_call_that_breaks_the_schema_is_not_asked(tmp_path: Path) -> None:
    turns = ("I look.\nNext: caller", "find {}", "No.\nNext: give_up")
    with chat_server(lambda _: "never") as server:
        play_simulated(
            Scripted(*turns), [task("a")], Simulator(Endpoint(server.url, "x")), tmp_path
        )
        assert not server.asked


def test_an_endpoint_that_fails_stops_it_and_is_told(tmp_path: Path) -> None:
    turns = ("I look.\nNext: caller", 'find {"name": "a"}', "No.\nNext: give_up")
    with chat_server(lambda _: 401) as server:
        simulator = Simulator(Endpoint(server.url, "api"), retries=0)
        with pytest.raises(UserError, match=r"endpoint fails.*401"):
            play_simulated(Scripted(*turns), [task("a")], simulator, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_an_episode_that_was_interrupted_is_run_again(tmp_path: Path) -> None:
    with chat_server(lambda _: "Status Code: 200. Response: {}") as server:
        simulator = Simulator(Endpoint(server.url, "api"))
        with pytest.raises(KeyboardInterrupt):
            broken = Scripted("I look.\nNext: caller", KeyboardInterrupt())
            play_simulated(broken, [task("a")], simulator, tmp_path)
        assert not list(tmp_path.glob("*.json"))
        assert play_simulated(Scripted(*TURNS), [task("a")], simulator, tmp_path) == 1
