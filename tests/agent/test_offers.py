"""Many tools: which an episode shows, the search for others, and what the roles read of it."""

import warnings

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.bounds import Bounds
from umi_lite.agent.episode import Episode
from umi_lite.agent.trace import Trace
from umi_lite.agent.wanted import Wanted
from umi_lite.errors import UserError
from umi_lite.protocol.roles import SEARCH_TOOL, system_text
from umi_lite.protocol.trajectory import Call, Observation, Offer, Plan, Tool, Trajectory, User
from umi_lite.tools.search import index_of
from umi_lite.tools.tools import Toolbox, ToolFunction

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"
THINGS = [f"thing{number:02}" for number in range(60)]


def many(names=(), **more: Tool) -> Toolbox:
    specs = [*more.values()]
    for name in [*names, *THINGS]:
        facts = {"type": "object", "properties": {"size": {"type": "integer"}}}
        specs.append(Tool(name=f"get_{name}", description=f"Read a {name}.", parameters=facts))
    return Toolbox(ToolFunction(spec, lambda **given: f"read {given}") for spec in specs)


TOOLS = many(["weather", "price"])
# A context of which the docs of all tools would take more, a token a byte.
N_CTX = 3000


def run(*turns, said="What is the weather?", tools=TOOLS, n_ctx=N_CTX, **bounds):
    few = {"max_thought_tokens": 60, "max_call_tokens": 60, "max_answer_tokens": 60}
    engine = Scripted(*turns, n_ctx=n_ctx)
    return Agent(engine, tools, Bounds(**few | bounds)).run(said), engine


def names(step) -> list[str]:
    return [tool.name for tool in step.tools]


def test_tools_that_fit_are_all_in_the_system_message():
    trace, engine = run(GIVE_UP, n_ctx=100_000)
    assert trace.trajectory.tools == TOOLS.specs and len(trace.trajectory.steps) == 1
    assert "get_thing59(" in engine.prompt(0) and "search_tools" not in engine.prompt(0)


def test_of_many_the_best_are_read_with_the_request_behind_one_system_message():
    trace, engine = run(CALLER, 'get_weather {"size": 1}', DONE, "It rains.")
    assert trace.stop == "answer"
    first = trace.trajectory.steps[0]
    assert isinstance(first, Offer) and names(first) == ["get_weather"]
    system = system_text("planner", (SEARCH_TOOL,))
    docs = "Tools:\nget_weather(size?: integer) - Read a weather.\n\nWhat is the weather?"
    assert f"{system}<|im_end|>" in engine.prompt(0) and docs in engine.prompt(0)
    assert "get_price" not in engine.prompt(0)
    # The summarizer reads no docs.
    assert "Tools:" not in engine.prompt(3) and "What is the weather?" in engine.prompt(3)
    _, other = run(GIVE_UP, said="What is the price?")
    shared = engine.asked[0].shared
    assert shared == other.asked[0].shared and system in engine.decode(engine.asked[0].ids[:shared])
    assert other.asked[0].ids[:shared] == engine.asked[0].ids[:shared]


def test_the_caller_can_name_only_what_was_shown():
    _, engine = run(CALLER, "get_weather {}", GIVE_UP)
    assert '"get_weather "' in engine.asked[1].grammar
    assert '"search_tools "' in engine.asked[1].grammar
    assert "get_price" not in engine.asked[1].grammar


def test_a_search_makes_tools_callable():
    search = 'search_tools {"need": "the price of it"}'
    trace, engine = run(CALLER, search, CALLER, "get_price {}", DONE, "It is 3.")
    steps = trace.trajectory.steps
    assert [type(step).__name__ for step in steps] == [
        *("Offer", "Plan", "Call", "Observation", "Offer", "Plan", "Call", "Observation"),
        *("Plan", "Answer"),
    ]
    assert steps[3] == Observation(content="found get_price") and names(steps[4]) == ["get_price"]
    assert '"get_price "' in engine.asked[3].grammar and "get_price" not in engine.asked[1].grammar
    text = "Result: found get_price\nTools:\nget_price(size?: integer) - Read a price."
    assert text in engine.prompt(2) and engine.prompt(2).startswith(engine.prompt(0))
    assert [turn.view for turn in trace.turns].count("tool") == 2
    assert [tool.name for tool in trace.trajectory.offered] == [
        *("search_tools", "get_weather", "get_price")
    ]
    assert Trace.model_validate_json(trace.model_dump_json()) == trace


def test_a_search_by_name_finds_that_tool_first():
    search = 'search_tools {"need": "thing07 or `get_thing31`, please"}'
    trace, _ = run(CALLER, search, GIVE_UP)
    assert names(trace.trajectory.steps[4])[:2] == ["get_thing31", "get_thing07"]


@pytest.mark.parametrize(
    ("need", "said", "error"),
    [
        ("weather", "no other tool than get_weather", False),
        ("zebra", "no tool has these words", True),
    ],
)
def test_a_search_without_a_new_tool(need, said, error):
    call = f'search_tools {{"need": "{need}"}}'
    trace, _ = run(CALLER, call, CALLER, call, CALLER, call)
    assert trace.trajectory.steps[3] == Observation(content=said, error=error)
    assert trace.stop == "stuck" and sum(isinstance(s, Offer) for s in trace.trajectory.steps) == 1


def test_without_a_fitting_tool_the_search_alone_is_shown():
    trace, engine = run(GIVE_UP, said="Hello!")
    assert trace.trajectory.offered == (SEARCH_TOOL,)
    assert "Tools:\nsearch_tools(" in engine.prompt(0)


def test_max_tools():
    said = " ".join(THINGS)
    trace, _ = run(GIVE_UP, said=said)
    assert len(names(trace.trajectory.steps[0])) == 12
    trace, _ = run(GIVE_UP, said=said, max_tools=3)
    assert len(names(trace.trajectory.steps[0])) == 3
    trace, _ = run(GIVE_UP, said=said, max_tools=3, n_ctx=100_000)
    assert len(names(trace.trajectory.steps[0])) == 3
    trace, _ = run(GIVE_UP, n_ctx=100_000, max_tools=len(TOOLS))
    assert trace.trajectory.tools == TOOLS.specs


def test_docs_take_a_part_of_the_context():
    long = Tool(name="get_weather", description=f"Weather. {'x' * 2000}")
    trace, engine = run(GIVE_UP, tools=many(weather=long, more=Tool(name="read_weather")))
    # The best tool's docs have no room; the next one's have.
    assert names(trace.trajectory.steps[0]) == ["read_weather"]
    assert len(engine.asked[0].ids) < N_CTX / 2
    trace, _ = run(
        *[CALLER, 'search_tools {"need": "weather report"}', GIVE_UP],
        tools=many(weather=long.model_copy(update={"name": "x"})),
        said="Hello!",
    )
    assert trace.trajectory.steps[2].content == "no room for the docs of more tools"


def test_a_tool_with_the_name_of_the_search():
    tools = many(own=Tool(name="search_tools"))
    with pytest.raises(UserError, match=r"search_tools: the search over tools has that name; rena"):
        run(GIVE_UP, tools=tools)
    trace, _ = run(CALLER, "search_tools {}", GIVE_UP, tools=tools, n_ctx=100_000)
    assert trace.trajectory.steps[2].content == "read {}"


def test_a_tool_that_cannot_be_called_is_named_and_not_shown():
    bad = Tool(
        name="weather_of",
        parameters={
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "("}},
            "required": ["a"],
        },
    )
    with pytest.warns(UserWarning, match="tool weather_of, a: the pattern .*it is left out"):
        trace, _ = run(GIVE_UP, tools=many(["weather"], bad=bad))
    assert names(trace.trajectory.steps[0]) == ["get_weather"]
    search = 'search_tools {"need": "weather_of"}'
    with pytest.warns(UserWarning, match="tool weather_of, a: the pattern .*it is left out"):
        trace, _ = run(CALLER, search, GIVE_UP, tools=many(bad=bad), said="Hello!")
    assert not trace.trajectory.steps[2].content.startswith("found weather_of")


def test_a_further_text_of_the_user_brings_its_own_tools():
    trace, _ = run(CALLER, 'get_weather {"size": 1}', DONE, "It rains.")
    more = trace.trajectory.with_step(User(text="And the price?"))
    again, engine = run(CALLER, "get_price {}", DONE, "It is 3.", said=more)
    offer, text = again.trajectory.steps[6:8]
    assert isinstance(offer, Offer) and names(offer) == ["get_price"] and isinstance(text, User)
    docs = "Tools:\nget_price(size?: integer) - Read a price.\n\nAnd the price?"
    assert f"It rains.<|im_end|>\n<|im_start|>user\n{docs}<|im_end|>" in engine.prompt(0)
    assert '"get_weather "' in engine.asked[1].grammar and '"get_price "' in engine.asked[1].grammar


def test_a_history_without_its_offers_gets_them_again():
    """A client of the server sends what was said, without what was shown."""
    once, _ = run(CALLER, 'get_weather {"size": 1}', DONE, "It rains.")
    said = [step for step in once.trajectory.steps if not isinstance(step, Offer)]
    later = (User(text="And the price?"), Plan(thought="Look.", next="caller"))
    called = (*later, Call(tool="get_thing09"), Observation(content="9"))
    history = once.trajectory.model_copy(update={"tools": TOOLS.specs, "steps": (*said, *called)})
    trace, _ = run(GIVE_UP, said=history)
    steps = trace.trajectory.steps
    assert names(steps[0]) == ["get_weather"] and names(steps[6]) == ["get_price"]
    assert isinstance(steps[7], User)
    # What was called then can be called now.
    assert names(steps[8]) == ["get_thing09"] and isinstance(steps[9], Plan)
    first, _ = run(GIVE_UP, said="What is the weather?")
    assert steps[0] == first.trajectory.steps[0]


def test_a_request_that_names_a_tool_is_shown_it():
    task = Trajectory(id="t", source="x", tools=TOOLS.specs, instruction="What is the weather?")
    engine = Scripted(CALLER, "get_thing07 {}", n_ctx=N_CTX)
    wanted = Wanted(tools=frozenset({"get_thing07"}))
    episode = Episode(task, engine, Bounds(max_thought_tokens=60), wanted=wanted)
    assert names(episode.trajectory.steps[0]) == ["get_thing07", "get_weather"]
    steps = episode.run()
    request = steps.send(engine.generate(next(steps)))
    assert '"get_thing07 "' in request.grammar and "search_tools" not in request.grammar


def test_many_episodes_each_with_its_own_tools():
    engine = Scripted(
        *[CALLER, CALLER, "get_weather {}", "get_price {}", GIVE_UP, GIVE_UP], slots=2
    )
    engine.n_ctx = N_CTX
    tasks = [
        Trajectory(id=word, source="x", tools=TOOLS.specs, instruction=f"The {word}?")
        for word in ("weather", "price")
    ]
    small = Bounds(max_thought_tokens=60, max_call_tokens=60)
    traces = run_many(engine, [Job(task, TOOLS) for task in tasks], bounds=small)
    for word, trace in zip(("weather", "price"), traces, strict=True):
        assert names(trace.trajectory.steps[0]) == [f"get_{word}"]
        assert trace.trajectory.steps[2] == Call(tool=f"get_{word}")
        assert trace.trajectory.steps[3] == Observation(content="read {}")


def test_the_index_follows_the_tools():
    box = Toolbox([])
    assert index_of(box) is index_of(box)
    assert index_of(box).tools == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert index_of(TOOLS) is index_of(TOOLS)
    assert index_of(TOOLS).tools == TOOLS.specs


def test_the_real_model_reads_the_system_message_once(engine):
    few = Bounds(max_calls=1, max_thought_tokens=40, max_call_tokens=40, max_answer_tokens=20)
    words = ["weather", "price", *(f"matter_{number}" for number in range(60))]
    agent = Agent(engine, many(words), few)
    engine.forget()
    first, second = agent.run("What is the weather?"), agent.run("What is the price?")
    for trace in (first, second):
        assert trace.trajectory.tools == (SEARCH_TOOL,)
        assert isinstance(trace.trajectory.steps[0], Offer)
    language = engine.language("planner")
    system = len(language.encode(system_text("planner", (SEARCH_TOOL,)), special=False))
    assert first.turns[0].reused == 0 and second.turns[0].reused >= system
