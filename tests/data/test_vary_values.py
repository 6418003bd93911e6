"""Names in trajectories are replaced everywhere alike, and only where they are names."""

import random
from collections import Counter

from umi_lite.data.load import load_source
from umi_lite.data.vary import original, varied
from umi_lite.data.vary_settings import Vary
from umi_lite.data.vary_values import with_other_names
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory

TEXT = {"type": "string"}
PARAMETERS = {
    "type": "object",
    "properties": {
        "city": TEXT,
        "unit": {"enum": ["Celsius", "Kelvin"]},
        "day": TEXT,
        "text": TEXT,
    },
}
WEATHER = Tool(name="weather", description="Weather in a city such as Lima", parameters=PARAMETERS)


def episode(said: str, result: str, answer: str, **arguments: str) -> Trajectory:
    steps = (
        Plan(thought=f"weather with {', '.join(arguments.values())}, then answer", next="caller"),
        Call(tool="weather", arguments=arguments),
        Observation(content=result),
        Plan(thought="Done.", next="summarizer"),
        Answer(text=answer),
    )
    return Trajectory(
        id="t", source="x", tools=(WEATHER,), instruction=said, steps=steps, gold=answer
    )


def test_a_name_is_replaced_everywhere_alike() -> None:
    made, back = with_other_names(
        random.Random(0),
        episode(
            "Weather in Fox Hollow's centre?", '{"place":"Fox Hollow"}', "Fox Hollow: 3.",
            city="Fox Hollow",
        ),
    )  # fmt: skip
    ((new, old),) = back.items()
    assert old == "Fox Hollow" and len(new.split()) == 2
    assert made.instruction == f"Weather in {new}'s centre?"
    plan, call, seen, _, answer = made.steps
    assert isinstance(plan, Plan) and isinstance(call, Call) and isinstance(seen, Observation)
    assert plan.thought == f"weather with {new}, then answer"
    assert call.arguments == {"city": new} and seen.content == f'{{"place":"{new}"}}'
    assert isinstance(answer, Answer) and answer.text == f"{new}: 3." == made.gold


def test_a_name_in_a_result_is_replaced_too() -> None:
    for result in ('{"place":"Fox Hollow"}', "place: Fox Hollow, height: 3"):
        made, back = with_other_names(
            random.Random(0), episode("Where?", result, "In Fox Hollow.", day="2026-01-02")
        )
        ((new, _),) = back.items()
        assert made.steps[2] == Observation(content=result.replace("Fox Hollow", new))
        assert made.gold == f"In {new}."


def test_what_is_listed_known_or_spelled_keeps_its_name() -> None:
    kept = (
        episode("In Kelvin?", "3", "3", unit="Kelvin"),
        episode("On Friday?", "3", "3", day="Friday"),
        episode("In Lima?", "3", "3", city="Lima"),
        episode("Write Fox Hollow in capitals.", "FOX HOLLOW", "FOX HOLLOW", text="Fox Hollow"),
        episode("Reverse Garden.", "nedraG", "nedraG", text="Garden"),
        episode("At notes.txt, X-42?", "3", "3", city="X-42", text="notes.txt"),
    )
    wrong = episode("In Fox Hollw?", "did you mean Fox Hollow?", "3", city="Fox Hollw")
    failed = tuple(
        step.model_copy(update={"error": True}) if isinstance(step, Observation) else step
        for step in wrong.steps
    )
    for one in (*kept, wrong.model_copy(update={"steps": failed})):
        assert with_other_names(random.Random(0), one) == (one, {})


def test_names_are_thousands_and_the_original_comes_back() -> None:
    source = load_source("wild", {"split": "train", "n": 400, "seed": 4})
    made = varied(source, Vary(values=1.0), 5).trajectories
    new = Counter(name for one in made for name in one.meta["vary"]["values"])
    assert sum(new.values()) > 200 and len(new) > 0.95 * sum(new.values())
    for before, after in zip(source.trajectories, made, strict=True):
        assert original(after).steps == before.steps
        assert original(after).gold == before.gold
