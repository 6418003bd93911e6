"""Varied trajectories stay valid, replay under their own names, and are the same for a seed."""

import random
import re
from collections import Counter
from functools import cache
from statistics import fmean

import pytest

from umi_lite.data.load import find_source, load_source
from umi_lite.data.rename import CannotRename, Names, draw_names, renamed, restored
from umi_lite.data.rows import Loaded
from umi_lite.data.synth.names import content_words
from umi_lite.data.vary import UNRENAMED, original, varied
from umi_lite.data.vary_company import needed
from umi_lite.data.vary_settings import Vary
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.roles import system_text
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
)
from umi_lite.recipe.schema import load_recipe
from umi_lite.train.inputs import load_data, load_eval

ALL = Vary(rename=1.0, values=0.7, shuffle=True, company=(2, 24), shorten=0.3, paraphrase=0.5)
TINY = "toolworld/smollm2-135m"


@cache
def loaded(source: str) -> Loaded:
    return load_source(source, {"split": "train", "n": 250, "seed": 4})


@cache
def made(source: str) -> Loaded:
    return varied(loaded(source), ALL, 5)


def names_in(trajectories: list[Trajectory]) -> int:
    """Return how many of the trajectories have other names than their source's."""
    records = (trajectory.meta.get("vary", {}) for trajectory in trajectories)
    return sum(bool(record.get("tools") or record.get("arguments")) for record in records)


@pytest.fixture(params=["toolworld", "wild"])
def source(request: pytest.FixtureRequest) -> str:
    return request.param


def test_calls_are_valid_for_the_varied_schemas(source: str) -> None:
    assert names_in(made(source).trajectories) > 240
    for trajectory in made(source).trajectories:
        checks = {tool.name: Check(tool.parameters) for tool in trajectory.tools}
        assert len(checks) == len(trajectory.tools)
        for step in trajectory.steps:
            if isinstance(step, Call):
                assert checks[step.tool].fault(step.arguments) is None


def test_the_original_replays(source: str) -> None:
    tools = find_source(source).tools
    assert tools is not None
    for before, after in zip(loaded(source).trajectories, made(source).trajectories, strict=True):
        again = original(after)
        assert again.instruction == before.instruction
        assert again.steps == before.steps
        assert {t.name for t in again.tools} <= {t.name for t in before.tools}
        box = tools(again)
        pairs = zip(again.steps, again.steps[1:], strict=False)
        assert all(box.call(step) == then for step, then in pairs if isinstance(step, Call))


def test_a_seed_gives_the_same_and_another_seed_something_else(source: str) -> None:
    again = varied(loaded(source), ALL, 5)
    assert again.trajectories == made(source).trajectories
    other = varied(loaded(source), ALL, 6).trajectories
    same = sum(a.tools == b.tools for a, b in zip(other, again.trajectories, strict=True))
    assert same < 10
    # What one trajectory becomes does not depend on how many others are loaded.
    names = Vary(rename=1.0, shuffle=True, shorten=0.3)
    few = Loaded(loaded(source).trajectories[:9])
    assert varied(few, names, 5).trajectories == varied(loaded(source), names, 5).trajectories[:9]


def test_the_company_is_as_large_as_drawn(source: str) -> None:
    settings = Vary(company=(3, 6))
    before, after = loaded(source), varied(loaded(source), settings, 1)
    sizes: set[int] = set()
    for old, new in zip(before.trajectories, after.trajectories, strict=True):
        called = {step.tool for step in old.steps if isinstance(step, Call)}
        assert called <= {tool.name for tool in new.tools}
        assert len(new.tools) <= 6
        sizes.add(len(new.tools))
        assert len(new.tools) >= 3 or source == "toolworld"
        if not needed(old):
            # Another tool could do what none of these can, so it must be about something else.
            said = set(re.findall("[a-z]+", old.instruction.lower()))
            added = {t.name for t in new.tools} - {t.name for t in old.tools}
            assert not any(content_words(name) & said for name in added)
    assert sizes >= {3, 4, 5, 6}


def test_what_is_offered_does_not_show_whether_a_tool_fits() -> None:
    source = load_source("wild", {"split": "train", "n": 3000, "seed": 0})
    after = varied(source, Vary(together=6, company=(2, 8)), 1).trajectories
    sets = Counter(repr(one.tools) for one in after)
    shared: dict[bool, list[bool]] = {True: [], False: []}
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for one in after:
        fits = bool(needed(one))
        shared[fits].append(sets[repr(one.tools)] > 1)
        sizes[fits].append(len(one.tools))
    assert len(shared[False]) > 200
    # A rule that reads only how the tools were chosen would gain nothing by giving up.
    assert abs(fmean(shared[True]) - fmean(shared[False])) < 0.15
    assert abs(fmean(sizes[True]) - fmean(sizes[False])) < 2


def test_trajectories_together_offer_the_same_tools(source: str) -> None:
    settings = Vary(together=4, company=(2, 8), shuffle=True, shorten=0.2, paraphrase=0.3)
    after = varied(loaded(source), settings, 1).trajectories
    assert [t.id for t in after] == [t.id for t in loaded(source).trajectories]
    groups: dict[str, list[Trajectory]] = {}
    for trajectory in after:
        groups.setdefault(repr(trajectory.tools), []).append(trajectory)
    shared = [group for group in groups.values() if len(group) > 1]
    assert max(map(len, shared)) >= 4
    assert 60 < sum(map(len, shared)) < 200  # the others are alone
    for group in shared:
        offered = {tool.name: Check(tool.parameters) for tool in group[0].tools}
        for step in (step for trajectory in group for step in trajectory.steps):
            if isinstance(step, Call):
                assert offered[step.tool].fault(step.arguments) is None
    # Instructions are each trajectory's own, opened or closed in its own words.
    assert len({t.instruction for t in after}) == len(
        {t.instruction for t in loaded(source).trajectories}
    )
    if source == "wild":
        kinds = {str(t.meta["kind"]) for group in shared for t in group}
        assert "missing" in kinds  # what lacks a value gives up among tools that others call
        assert "unsupported" in kinds  # so does what none of their tools can do


def test_trajectories_of_one_id_stay_two() -> None:
    one = loaded("toolworld").trajectories[0]
    other = one.model_copy(update={"instruction": "Something else?"})
    after = varied(Loaded([one, other]), Vary(shuffle=True), 1).trajectories
    assert [t.instruction for t in after] == [one.instruction, "Something else?"]


def test_no_setting_changes_only_the_record(source: str) -> None:
    for old, new in zip(
        loaded(source).trajectories[:20],
        varied(loaded(source), Vary(), 1).trajectories[:20],
        strict=True,
    ):
        assert new.model_copy(update={"meta": old.meta}) == old


def test_descriptions_are_shortened_and_left_out(source: str) -> None:
    after = varied(loaded(source), Vary(shorten=1.0), 1)
    before = {t.name: t for made in loaded(source).trajectories for t in made.tools}
    shown = [tool for made in after.trajectories for tool in made.tools]
    assert all(before[tool.name].description.startswith(tool.description) for tool in shown)
    empty = sum(not tool.description for tool in shown)
    assert 0.2 < empty / len(shown) < 0.7


def weather(steps: tuple[Step, ...], *tools: Tool) -> Trajectory:
    return Trajectory(
        id="w", source="run", tools=tools, instruction="Use get_weather for Oslo, please.",
        steps=steps,
    )  # fmt: skip


WEATHER = Tool(
    name="get_weather",
    description="Weather of a city. Pass city_name; see also forecast.",
    parameters={
        "type": "object",
        "properties": {"city_name": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city_name"],
    },
)
FORECAST = Tool(name="forecast", description="", parameters={"type": "object", "properties": {}})
STEPS = (
    Plan(thought="use get_weather: city_name=Oslo, then forecast.", next="caller"),
    Call(tool="get_weather", arguments={"city_name": "Oslo", "unit": "C"}),
    Observation(content="get_weather: sunny, forecast later"),
    Plan(thought="use forecast, then answer.", next="caller"),
    Call(tool="forecast"),
    Observation(content="forecast is offline", error=True),
    Plan(thought="Done.", next="summarizer"),
    Answer(text="Sunny."),
)
NAMES = Names({"get_weather": "fn7", "forecast": "zimba"}, {"city_name": "p1", "unit": "scale"})


def test_a_name_is_replaced_as_a_whole_word_wherever_it_is_a_name() -> None:
    task = weather(STEPS, WEATHER, FORECAST)
    new = renamed(task, NAMES)
    assert new.instruction == "Use fn7 for Oslo, please."
    thoughts = [step.thought for step in new.steps if isinstance(step, Plan)]
    assert thoughts[:2] == ["use fn7: p1=Oslo, then zimba.", "use zimba, then answer."]
    calls = [step for step in new.steps if isinstance(step, Call)]
    assert calls[0] == Call(tool="fn7", arguments={"p1": "Oslo", "scale": "C"})
    seen = [step.content for step in new.steps if isinstance(step, Observation)]
    assert seen == ["fn7: sunny, forecast later", "zimba is offline"]
    shown, plain = new.tools
    assert shown.description == "Weather of a city. Pass p1; see also forecast."
    assert list(shown.parameters["properties"]) == ["p1", "scale"]
    assert shown.parameters["required"] == ["p1"]
    # What a name said is in the description, where there was none.
    assert shown.parameters["properties"]["p1"]["description"] == "city name"
    assert plain.description == "forecast"
    again = restored(new, NAMES.back())
    assert again.instruction == task.instruction and again.steps == task.steps


def test_a_plain_word_that_may_be_the_tool_is_not_renamed() -> None:
    unclear = Plan(thought="The forecast knows it.", next="caller")
    seen = Observation(content="sunny")
    task = weather((unclear, STEPS[4], seen, *STEPS[6:]), FORECAST)
    with pytest.raises(CannotRename, match="'forecast', which may be the tool or a word"):
        renamed(task, NAMES)
    # The user's own word is just a word.
    asked = task.model_copy(update={"instruction": "What does the forecast say?"})
    assert renamed(asked, NAMES).steps[0] == unclear
    many = [task.model_copy(update={"id": f"w{at}"}) for at in range(20)]
    counted = varied(Loaded(many), Vary(rename=1.0), 1)
    assert {made.reason for made in counted.amended} == {
        f"{UNRENAMED}a thought has 'forecast', which may be the tool or a word"
    }
    assert not names_in(counted.trajectories)
    assert all(t.tools == task.tools and t.steps == task.steps for t in counted.trajectories)


def test_a_name_within_another_one_is_not_renamed() -> None:
    within = Plan(thought="I call functions.get_weather.", next="caller")
    with pytest.raises(CannotRename, match="'get_weather' as part of another name"):
        renamed(weather((within, *STEPS[1:]), WEATHER), NAMES)


def test_names_are_new_and_python_keeps_its_own() -> None:
    code = {"type": "object", "properties": {"code": {"type": "string"}}}
    python = Tool(name="python", description="Run Python code.", parameters=code)
    task = weather(STEPS, WEATHER, FORECAST, python)
    for seed in range(200):
        names = draw_names(random.Random(seed), task)
        given = [*names.tools.values(), *names.arguments.values()]
        assert len(set(given)) == len(given)
        assert not set(given) & {"python", "get_weather", "forecast", "Oslo", "sunny", "city_name"}
        assert "python" not in names.tools and "code" not in names.arguments


def test_arguments_that_other_keywords_name_keep_their_names() -> None:
    bound = Tool(
        name="pay_bill",
        parameters={
            "type": "object",
            "properties": {"card": {"type": "string"}, "cvc": {"type": "string"}},
            "dependentRequired": {"card": ["cvc"]},
        },
    )
    for seed in range(50):
        assert not draw_names(random.Random(seed), weather((), bound)).arguments


def test_a_recipe_varies_what_it_trains_on_and_not_what_it_holds_out() -> None:
    recipe = load_recipe(
        TINY,
        [
            "data=[{source: toolworld, n: 30, vary: {rename: 1.0}}, "
            "{source: toolworld, n: 30, seed: 8}]",
            "eval.data=[{source: toolworld, split: test, n: 10}]",
        ],
    )
    trained = load_data(recipe).trajectories
    assert names_in(trained) == names_in(trained[:30]) >= 29
    (_, held_out), *_ = load_eval(recipe)
    plain = load_source("toolworld", {"split": "test", "n": 10}).trajectories
    assert held_out.trajectories == plain
    again = load_recipe(TINY, ["data=[{source: toolworld, n: 30, vary: {rename: 1.0}}]", "seed=9"])
    assert system_text("planner", load_data(again).trajectories[0].tools) != system_text(
        "planner", trained[0].tools
    )
