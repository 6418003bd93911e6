"""Training trajectories whose tools come with the instruction, or by a search."""

import random

import pytest

from umi_lite.data.load import load_source
from umi_lite.data.rows import Loaded
from umi_lite.data.vary import original, varied
from umi_lite.data.vary_offers import in_system, offered
from umi_lite.data.vary_settings import Vary
from umi_lite.protocol.roles import SEARCH_TOOL
from umi_lite.protocol.trajectory import Call, Observation, Offer, Plan, Tool, Trajectory
from umi_lite.train.sayable import only_sayable

OFFERS = Vary(rename=0.3, shuffle=True, company=(2, 8), offer=0.6, search=0.4)


@pytest.fixture(params=["toolworld", "wild"])
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return load_source(request.param, {"split": "train", "n": 200, "seed": 4})


def test_every_turn_can_be_said_and_every_called_tool_was_shown(loaded: Loaded) -> None:
    made = varied(loaded, OFFERS, 5).trajectories
    assert not only_sayable(Loaded(made)).amended
    with_offers = [one for one in made if one.tools == (SEARCH_TOOL,)]
    assert 90 < len(with_offers) < 150
    searches = 0
    for one in with_offers:
        shown = {SEARCH_TOOL.name}
        for step in one.steps:
            if isinstance(step, Offer):
                assert step.tools and not shown & {tool.name for tool in step.tools}
                shown |= {tool.name for tool in step.tools}
            if isinstance(step, Call):
                assert step.tool in shown
                searches += step.tool == SEARCH_TOOL.name
    assert 25 < searches < 80


def test_the_original_has_its_tools_and_steps_back(loaded: Loaded) -> None:
    made = varied(loaded, OFFERS.model_copy(update={"company": None}), 5).trajectories
    for before, after in zip(loaded.trajectories, made, strict=True):
        again = original(after)
        assert again.steps == before.steps
        assert [t.name for t in again.tools] == [t.name for t in before.tools]


def test_a_search_finds_the_tool_by_what_it_does() -> None:
    tools = (
        Tool(name="add_it", description="Add two numbers. Quickly."),
        Tool(name="sub_it"),
    )
    steps = (
        Plan(thought="Add.", next="caller"),
        Call(tool="add_it"),
        Observation(content="3"),
        Plan(thought="Sub.", next="caller"),
        Call(tool="sub_it"),
        Observation(content="4"),
    )
    task = Trajectory(id="t", source="s", tools=tools, instruction="Do.", steps=steps)
    needs = set()
    for seed in range(20):
        made = offered(random.Random(seed), task, search=True)
        at, call = next(
            (i, s) for i, s in enumerate(made.steps) if getattr(s, "tool", "") == "search_tools"
        )
        needs.add(call.arguments["need"])
        assert in_system(made).steps == steps and set(t.name for t in in_system(made).tools) == {
            *("add_it", "sub_it")
        }
        offer, _, after = made.steps[at + 2 : at + 5]
        assert isinstance(offer, Offer) and after.tool in {tool.name for tool in offer.tools}
    assert needs == {"add two numbers", "sub it"}
    idle = task.model_copy(update={"steps": steps[:1]})
    assert offered(random.Random(0), idle, search=True).steps == (Offer(tools=tools), *steps[:1])
    named = task.model_copy(update={"tools": (SEARCH_TOOL,)})
    assert offered(random.Random(0), named, search=False) == named


def test_tools_that_are_offered_already_keep_their_names(loaded: Loaded) -> None:
    once = varied(Loaded(loaded.trajectories[:20]), Vary(offer=1.0), 5).trajectories
    again = varied(Loaded(once), Vary(rename=1.0, shuffle=True, offer=1.0), 5)
    assert len(again.amended) == 20 and "not all in the system message" in again.amended[0].reason
    assert [one.steps for one in again.trajectories] == [one.steps for one in once]
