"""Thoughts that name a tool or its arguments wrongly: how they begin instead, and the loop."""

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.corrections import corrected_start
from umi_lite.protocol.trajectory import Call, Observation, Plan, Tool, Trajectory
from umi_lite.tools.tools import Toolbox


def tool(name: str, *arguments: str, required: int | None = None) -> Tool:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"} for argument in arguments},
        "required": list(arguments[:required]),
    }
    return Tool(name=name, description="", parameters=parameters)


def before(instruction: str = "Please.", result: str = "") -> Trajectory:
    """Return a trajectory that a plan continues, with one result if there is any."""
    call = Call(tool="price", arguments={"product": "tea"})
    steps = (Plan(thought="use price", next="caller"), call, Observation(content=result))
    return Trajectory(
        id="t", source="t", tools=TOOLS, instruction=instruction, steps=steps if result else ()
    )


TOOLS = (
    tool("bikeshare_free_bikes", "dock", "bike_type", required=1),
    tool("watch_dock", "dock", "direction", "threshold"),
    tool("forms.searchResponses", "survey"),
    tool("price", "product"),
)


@pytest.mark.parametrize(
    ("thought", "start"),
    [
        ("use bike_free_bikes: dock=Mill, then answer.", "use bikeshare_free_bikes"),
        ("use café.searchResponses: survey=Lunch, then price.", "use forms.searchResponses"),
        ("use forms.SearchResponses for Lunch, then price.", "use forms.searchResponses"),
        ("use price: product=tea, then watch_docks.", "use price: product=tea, then watch_dock"),
        ("usewatch_dock: dock=Mill, then answer.", "watch_dock"),
        (
            "use watch_dock: direction=below, threshold=6, then answer.",
            "use watch_dock: direction=below, threshold=6, dock=",
        ),
        ("use watch_dock: dock=Mill, then answer.", "use watch_dock: dock=Mill, direction="),
        ("use watch_dock: dock=Mill.", "use watch_dock: dock=Mill, direction="),
        ("Retry: use watch_dock: dock=A, then x.", "Retry: use watch_dock: dock=A, direction="),
    ],
)
def test_a_thought_begins_with_the_name_or_the_argument_that_it_needs(thought, start):
    assert corrected_start(Plan(thought=thought, next="caller"), TOOLS, before()) == start


@pytest.mark.parametrize(
    "thought",
    [
        "use bikeshare_free_bikes: dock=Mill, then answer.",  # the other one is optional
        "use watch_dock: dock=A, direction=up, threshold=3, then answer.",
        "use watch_dock for Mill, then answer.",  # not by name
        "use watch_dock: Mill, then answer.",
        "use watch_dock: what=Mill, then answer.",
        "use price: product=watch_docks, then answer.",  # a value
        "Look at phone_stand.obj for d.evans@work.io on 2026-05-31 at 10.30.",
        "I would use the prices of the watch dock.",
        "I was asked to use the 'watchDocks' function, so I call watch_docks next.",  # ToolBench
        "Done.",
    ],
)
def test_other_thoughts_stay_as_they_are(thought):
    assert corrected_start(Plan(thought=thought, next="caller"), TOOLS, before()) is None


def test_only_thoughts_that_lead_to_a_call_are_corrected():
    plan = Plan(thought="No: watch_docks lacks dock.", next="give_up")
    assert corrected_start(plan, TOOLS, before()) is None


@pytest.mark.parametrize(
    ("thought", "start"),
    [
        ("use price for job310, then answer.", "use price for job-310"),
        ("use price for 310, then answer.", "use price for job-310"),
        ("use price: product=JOB 310, then price.", None),  # two words
        ("use price: product=310, then price.", "use price: product=job-310"),
        ("use watch_dock: dock=TX 4, threshold=310.", None),  # a number
        ("use watch_dock: dock=tx965495, direction=up.", "use watch_dock: dock=TX965495"),
        ("use price for job-310, then answer.", None),
        ("use price for 10, then answer.", None),  # not all of its digits
        ("use price for 12, then answer.", None),  # said by itself
        ("use price for job31, then answer.", None),
    ],
)
@pytest.mark.parametrize("place", ["request", "result"])
def test_a_code_is_written_as_it_was_said(thought, start, place):
    said = "job-310 and TX965495, in 12 parts of A-12."
    parameters = {**TOOLS[1].parameters, "required": []}
    parameters["properties"] = {**parameters["properties"], "threshold": {"type": "number"}}
    tools = (TOOLS[3], TOOLS[1].model_copy(update={"parameters": parameters}))
    task = before(said) if place == "request" else before(result=said)
    assert corrected_start(Plan(thought=thought, next="caller"), tools, task) == start


def test_a_code_that_two_could_be_stays_as_it_is():
    plan = Plan(thought="use price for 12, then answer.", next="caller")
    assert corrected_start(plan, TOOLS, before("Of A-12 or B-12?")) is None


BOOK = tool("book", "hotel", "since", "guests", "breakfast", required=1)
ASKED = "Book the Grand for four, from 9 pm."


@pytest.mark.parametrize(
    ("thought", "start"),
    [
        ("use book: hotel=Grand, since=2022-01-21, then answer.", "use book: hotel=Grand, then"),
        ("use book: hotel=Grand, since=2022-01-21.", "use book: hotel=Grand."),
        (
            "use book: hotel=Grand, since=cargo, guests=4, then answer.",
            "use book: hotel=Grand, guests=",
        ),
        ("use book: since=cargo, hotel=Grand, then answer.", "use book: hotel="),
        ("use book: hotel=Ritz, then answer.", None),  # a required one
        ("use book: hotel=Grand, breakfast=true, then answer.", None),
        ("use book: hotel=Grand, guests=14, then answer.", None),  # numbers are said in words
        ("use book: hotel=Grand, since=21:00, then answer.", None),
        ("use book: hotel=Grand, since=Grander, then answer.", None),  # said in another form
        ("use book: hotel=Grand, breakfast=7, then answer.", None),
    ],
)
def test_an_optional_argument_that_nobody_said_is_left_out(thought, start):
    plan = Plan(thought=thought, next="caller")
    assert corrected_start(plan, (BOOK,), before(ASKED)) == start


def test_a_required_argument_takes_the_place_of_the_only_one():
    plan = Plan(thought="use book: since=2022-01-21, then answer.", next="caller")
    assert corrected_start(plan, (BOOK,), before(ASKED)) == "use book: hotel="


def test_the_only_argument_is_left_out():
    find = tool("find", "since", required=0)
    plan = Plan(thought="use find: since=2022-01-21, then answer.", next="caller")
    assert corrected_start(plan, (find,), before("Find some.")) == "use find, then"
    assert corrected_start(plan, (find,), before("Find some.", "It is 2022-01-21.")) is None


def get_price(product: str, shop: str) -> str:
    """The price of a product in a shop."""
    return f"{product} at {shop}: 3"


SHORT = "use get_price: product=tea, then answer.\nNext: caller"
WHOLE = "use get_price: product=tea, shop=Mill, then answer.\nNext: caller"
REST = ('get_price {"product": "tea", "shop": "Mill"}', "Done.\nNext: summarizer", "It is 3.")


def run(*turns, bounds=None, **sampling):
    engine = Scripted(*turns)
    heard: list[tuple[str, str]] = []
    agent = Agent(engine, Toolbox([get_price]), bounds or Bounds(), sampling=Sampling(**sampling))
    trace = agent.run("What is tea at the Mill?", on_event=lambda *event: heard.append(event))
    assert not engine.turns, "turns are left"
    return trace, engine, "".join(text for who, text in heard if who == "planner")


def test_the_planner_says_its_turn_again_and_the_caller_reads_the_later_one():
    trace, engine, heard = run(SHORT, WHOLE, *REST)
    assert trace.trajectory.steps[:3] == (
        Plan(thought=WHOLE.split("\n")[0], next="caller"),
        Call(tool="get_price", arguments={"product": "tea", "shop": "Mill"}),
        Observation(content="tea at Mill: 3"),
    )
    first, again = engine.asked[:2]
    assert first.ids == again.ids and "shop=" not in first.grammar
    assert '"use get_price: product=tea, shop="' in again.grammar
    assert WHOLE in engine.prompt(2) and SHORT not in engine.prompt(2)
    assert [turn.step for turn in trace.turns[:3]] == [None, 0, 1]
    assert f"{SHORT}\n{WHOLE}" in heard


def test_a_turn_that_stays_wrong_is_taken_after_three_corrections():
    trace, engine, _ = run(SHORT, SHORT, SHORT, SHORT, *REST)
    assert trace.trajectory.steps[0] == Plan(thought=SHORT.split("\n")[0], next="caller")
    assert [request.view for request in engine.asked[:5]] == ["planner"] * 4 + ["caller"]


def test_a_turn_that_is_no_plan_is_not_corrected():
    trace, engine, _ = run("use get_prices: product=tea, then answer.")
    assert trace.stop == "bad_turn" and len(engine.asked) == 1


def test_no_correction():
    trace, _, _ = run(SHORT, *REST, bounds=Bounds(max_corrections=0))
    assert trace.answer == "It is 3." and all(turn.step is not None for turn in trace.turns)


def test_a_correction_that_is_cut_off_is_left_out():
    trace, engine, _ = run(SHORT, f"{WHOLE}…", *REST)
    assert trace.answer == "It is 3."
    assert [turn.step for turn in trace.turns[:3]] == [0, None, 1]
    assert SHORT in engine.prompt(2) and WHOLE not in engine.prompt(2)


def test_votes_are_on_the_corrected_turns():
    done, answer = REST[1:]
    twice = SHORT, WHOLE, REST[0], WHOLE, REST[0], done, done
    trace, _, heard = run(*twice, answer, votes=2)
    assert trace.answer == "It is 3."
    assert trace.trajectory.steps[0] == Plan(thought=WHOLE.split("\n")[0], next="caller")
    assert SHORT not in heard
