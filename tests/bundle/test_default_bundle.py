"""The bundle in the box: small, of this package's recipe, and it answers where none is named."""

import json
from pathlib import Path

import pytest

from umi_lite import Agent, Sampling, tool
from umi_lite.bundle.bundle import load_bundle
from umi_lite.files import DEFAULT_BUNDLE
from umi_lite.protocol.trajectory import Call

QUESTIONS = {"What is 12 * 34?": "408", "What is 17% of 2,340, in dozens?": "33.15"}


def test_it_is_small_and_names_no_place_of_a_machine() -> None:
    bundle = load_bundle(DEFAULT_BUNDLE)
    assert sum(path.stat().st_size for path in DEFAULT_BUNDLE.iterdir()) < 30_000_000
    assert set(bundle.spec.views) == {"backbone", "planner", "caller", "summarizer"}
    assert bundle.spec.live_tools == "everyday"
    recipe = json.dumps(bundle.spec.recipe)
    assert not any(place in recipe for place in ('"/', "~", ".."))


def test_it_answers_where_no_bundle_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Agent.load() as agent:
        for question, answer in QUESTIONS.items():
            made = agent.run(question)
            assert answer in (made.answer or "")
            calls = [step for step in made.trajectory.steps if isinstance(step, Call)]
            assert [call.tool for call in calls] == ["calculator"]


def test_it_votes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Agent.load(sampling=Sampling(votes=3)) as agent:
        made = agent.run("What is 12 * 34?")
    steps = len(made.trajectory.steps)
    voted = [turn.votes for turn in made.turns if turn.step is not None and turn.votes]
    assert steps > 2 and voted
    assert all(1 <= agreed <= of <= 3 for agreed, of in voted)
    chosen = [turn.step for turn in made.turns if turn.step is not None and turn.step < steps]
    assert chosen == list(range(steps))


def test_its_recipe_is_the_shipped_one() -> None:
    from umi_lite.recipe.schema import Recipe, load_recipe

    # A setting that is newer than the bundle has its default.
    made = Recipe.model_validate(load_bundle(DEFAULT_BUNDLE).spec.recipe)
    assert made == load_recipe("default/smollm2-135m", [])


def test_names_in_calls_are_spelled_as_in_the_request() -> None:
    """Of these sixteen seven were misspelled without the bias, and three with it."""
    pairs = [
        ("Athens", "Vienna"), ("Manila", "Havana"), ("Havana", "Lisbon"), ("Nairobi", "Bogota"),
        ("Zagreb", "Tallinn"), ("Canberra", "Jakarta"), ("Reykjavik", "Valletta"),
        ("Montevideo", "Kathmandu"),
    ]  # fmt: skip
    asked: list[str] = []

    @tool
    def distance(start: str, goal: str) -> str:
        """The distance between two cities, in km."""
        asked.extend((start, goal))
        return "1287"

    right: dict[float, int] = {}
    for bias in (0.0, Sampling().copy_bias):
        asked.clear()
        with Agent.load(tools=[distance], sampling=Sampling(copy_bias=bias)) as agent:
            for start, goal in pairs:
                agent.run(f"How far is it from {start} to {goal}?")
        names = [name for pair in pairs for name in pair]
        right[bias] = sum(name in asked for name in names) - sum(n not in names for n in asked)
    assert right[Sampling().copy_bias] > right[0.0], right
