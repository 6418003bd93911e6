"""The engine on the embedded model: the cache, the batch, the grammars, streaming."""

from itertools import pairwise

import jsonschema
import pytest

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.episode import Bounds
from umi_lite.data import toolworld
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.roles import parse_call, parse_plan
from umi_lite.protocol.trajectory import Observation, Plan, Tool, Trajectory
from umi_lite.tools.tools import Toolbox, tool

SHORT = Bounds(max_calls=3, max_thought_chars=80, max_call_tokens=60, max_answer_tokens=24)


def weather(city: str, days: int = 1) -> str:
    """The weather forecast of a city.

    Args:
        city: the city's name
        days: how many days ahead
    """
    return f"{city}: sunny for {days} days"


def note(text: str) -> str:
    """Write a note down."""
    return "noted"


def now() -> str:
    """The date and the time of day."""
    return "2026-01-05 10:00"


TOOLS = Toolbox([weather, note, now])


def task(instruction="What is the weather in Paris?", tools=TOOLS.specs, **more):
    return Trajectory(id="t", source="test", tools=tools, instruction=instruction, **more)


def ask(engine, view="planner", trajectory=None, **more):
    words = engine.language(view)
    ids = Transcript(view, words.template, words).advance(trajectory or task())
    return Request(view=view, ids=tuple(ids), **{"max_tokens": 40, **more})


def call_request(engine, tools, instruction="Note down what the weather is.", **more):
    plan = Plan(thought="Use a tool.", next="caller")
    trajectory = task(instruction, tools, steps=(plan,))
    grammar = call_grammar(tools)
    return ask(engine, "caller", trajectory, grammar=grammar, **{"max_tokens": 100, **more})


@pytest.mark.parametrize("single", [False, True])
def test_nothing_is_read_twice(engine, monkeypatch, single):
    """Per view: tokens through the model in an episode == distinct tokens of its transcript."""
    cached = {}

    def release(episode):
        cached.update({view: engine.cached(view, episode) for view in engine.views})
        return type(engine).release(engine, episode)

    monkeypatch.setattr(engine, "release", release)
    if single:
        monkeypatch.setattr(engine, "view_of", lambda role: "backbone")
    trace = Agent(engine, TOOLS, SHORT).run(f"Weather in Rome? {single=}")
    turns = [turn for turn in trace.turns if turn.view != "tool"]
    views = {turn.view for turn in turns}
    assert views == {"backbone"} if single else "planner" in views
    for view in views:
        own = [turn for turn in turns if turn.view == view]
        read = sum(turn.evaluated + turn.decoded for turn in own)
        assert own[0].reused + read == len(cached[view])
        for before, turn in pairwise(own):
            # All that was asked and said before is in the cache, but for the last token.
            assert turn.reused >= before.prompt_tokens + before.decoded
        assert all(turn.reused + turn.evaluated == turn.prompt_tokens for turn in own[1:])


def test_the_cache_holds_the_transcript(engine):
    request = ask(engine, grammar=plan_grammar(60), episode="mine")
    said = engine.generate(request)
    held = engine.cached("planner", "mine")
    engine.release("mine")
    assert tuple(held) == (request.ids + said.ids)[: len(held)]
    assert len(held) == len(request.ids) + said.decoded


def test_tool_docs_are_read_once_for_all_episodes(engine):
    first = engine.generate(ask(engine, trajectory=task("First."), max_tokens=1))
    second = ask(engine, trajectory=task("Second."), max_tokens=1)
    words = engine.language("planner")
    docs = words.decode(second.ids).partition("<|im_end|>")[0]
    said = engine.generate(second)
    assert said.reused >= len(words.encode(docs, special=True)) > 30
    assert said.evaluated < 15 and first.prompt_tokens > 40


def test_episodes_that_begin_together_share_the_docs(engine):
    """The second waits for the first to read them, and copies its cache."""
    marked = (Tool(name="stamp", description="Stamp " + "a letter " * 60), *TOOLS.specs)
    requests = [
        ask(engine, trajectory=task(text, marked), max_tokens=2, episode=text)
        for text in ("Stamp mine.", "Look at theirs.")
    ]
    for request in requests:
        engine.submit(request)
    done = {}
    while len(done) < 2:
        done.update({request.episode: said for request, said in engine.step()})
    for request in requests:
        engine.release(request.episode)
    first, second = (done[request.episode] for request in requests)
    assert first.evaluated > 100 and second.evaluated < 15
    alone = engine.generate(ask(engine, trajectory=task("Look at theirs.", marked), max_tokens=2))
    assert second.ids == alone.ids


def test_everything_cached_still_gives_a_next_token(engine):
    request = ask(engine, max_tokens=5)
    engine.generate(request)
    again, third = engine.generate(request), engine.generate(request)
    assert again.evaluated == 1 and again.reused == again.prompt_tokens - 1
    assert again.ids and third.ids == again.ids


def test_a_batch_says_what_one_at_a_time_says(engine):
    questions = [f"What is {n} times {n + 3}?" for n in range(2, 8)]
    alone = [Agent(engine, TOOLS, SHORT).run(text) for text in questions]
    batch = run_many(engine, [Job(task(text), TOOLS) for text in questions], bounds=SHORT)
    assert [t.trajectory.instruction for t in batch] == questions
    # Sums in another order differ in their last bits, and a near tie may fall otherwise.
    same = [a.trajectory.steps == b.trajectory.steps for a, b in zip(alone, batch, strict=True)]
    assert sum(same) >= 4


def test_plans_always_parse(engine):
    for seed in range(3):
        request = ask(engine, grammar=plan_grammar(60), max_tokens=120, temperature=1.5, seed=seed)
        said = engine.generate(request)
        assert said.stop == "grammar"
        assert len(parse_plan(said.text).thought) <= 60


def test_a_plan_begins_as_its_grammar_says(engine):
    start = "use weather: days=3, city="
    said = engine.generate(ask(engine, grammar=plan_grammar(60, start), max_tokens=120))
    assert parse_plan(said.text).thought.startswith(start)
    assert said.forced >= 8


def test_calls_always_fit_their_schema(engine):
    """Every tool of the toolworld, at a temperature that would spoil any free text."""
    specs = {t.name: t for x in toolworld.load("train", 40, 0).trajectories for t in x.tools}
    assert len(specs) >= 8
    finished = 0
    for seed, spec in enumerate(specs.values()):
        said = engine.generate(
            call_request(engine, (spec,), temperature=1.3, seed=seed, max_tokens=60)
        )
        if said.stop == "grammar":
            call = parse_call(said.text)
            assert call.tool == spec.name
            jsonschema.validate(call.arguments, spec.parameters)
            finished += 1
    assert finished >= len(specs) // 4


def test_forced_tokens_are_counted_and_not_sampled(engine):
    said = engine.generate(call_request(engine, (tool(now).spec,)))
    assert (said.text, said.stop) == ("now {}", "grammar")
    assert said.forced == len(said.ids) and said.evaluated == said.decoded == 0
    said = engine.generate(call_request(engine, TOOLS.specs))
    assert 0 < said.forced < len(said.ids)
    assert engine.language("planner").decode(said.ids) == said.text
    # Never the last token, for nobody asked what comes behind it.
    assert said.decoded <= len(said.ids) - 1


def test_a_forced_stretch_past_the_limit_is_cut_off(engine):
    specs = (tool(now).spec,)
    whole = engine.generate(call_request(engine, specs))
    size = len(whole.ids)
    said = engine.generate(call_request(engine, specs, max_tokens=size))
    assert (said.text, said.stop) == (whole.text, "grammar")
    said = engine.generate(call_request(engine, specs, max_tokens=size - 1))
    assert (said.ids, said.stop, said.forced) == (whole.ids[:-1], "length", size - 1)


def test_an_answer_ends_by_itself_or_by_its_length(engine):
    seen = task(steps=(Observation(content="Paris: sunny"),))
    said = engine.generate(ask(engine, "summarizer", seen, grammar=answer_grammar(), max_tokens=3))
    assert said.stop == "length" and len(said.ids) == 3
    said = engine.generate(
        ask(engine, "summarizer", seen, grammar=answer_grammar(), max_tokens=200)
    )
    assert said.stop == "eot" and said.text and "<|" not in said.text


def test_the_stream_is_the_text(engine):
    heard: list[str] = []
    said = engine.generate(call_request(engine, TOOLS.specs, on_text=heard.append))
    assert "".join(heard) == said.text and len(heard) > 1


def test_a_turn_for_which_no_slot_can_come_free_is_refused(engine):
    held = [ask(engine, max_tokens=1, episode=name) for name in ("one", "two")]
    for request in held:
        engine.generate(request)
    with pytest.raises(UserError, match="all 2 slots of planner are held by unfinished episodes"):
        engine.generate(ask(engine, max_tokens=1))
    assert engine.load == 0
    engine.release("one")
    assert engine.generate(ask(engine, max_tokens=1)).ids
    engine.release("two")


def test_sampling_is_repeatable_by_its_seed(engine):
    texts = [
        engine.generate(ask(engine, temperature=1.2, seed=seed, max_tokens=12)).text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_an_interrupted_turn_leaves_a_sound_cache(engine, monkeypatch):
    request = ask(engine, trajectory=task("Say something new."), max_tokens=8)
    scheduler = engine._schedulers["planner"]
    decode = scheduler._context.decode
    evaluations = []

    def interrupted(entries):
        decode(entries)
        evaluations.append(len(entries))
        if len(evaluations) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(scheduler._context, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.generate(request)
    monkeypatch.undo()
    assert scheduler.load == 0
    after = engine.generate(request)
    other = engine.generate(ask(engine, trajectory=task("Entirely different."), max_tokens=2))
    assert other.text and after.evaluated == 1
    assert engine.generate(request).ids == after.ids
