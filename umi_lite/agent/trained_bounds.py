"""The default bounds, raised to hold everything that was trained."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from umi_lite.agent.bounds import Bounds
from umi_lite.protocol.roles import SPEAKS, View, spoken, step_text, thought_text
from umi_lite.protocol.template import Tokenizer
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory, User


def holding(
    trajectories: Iterable[Trajectory], views: Collection[View], tokenizer: Tokenizer
) -> Bounds:
    """Return the default bounds, raised to hold each trained turn of the views and its history.

    Args:
        tokenizer: the base model's.
    """
    own = tuple(kind for view in views for kind in SPEAKS[view])
    found: dict[str, Any] = asdict(Bounds())
    for trajectory in trajectories:
        calls = 0
        for _, step in spoken(trajectory.steps):
            if isinstance(step, User):
                calls = 0
            elif isinstance(step, Observation):
                _raise(found, "max_observation_chars", len(step.content))
            elif isinstance(step, own) and step.trained:
                _hold(found, step, step_text(step, trajectory.tools), tokenizer)
            if isinstance(step, Call):
                calls += 1
                _raise(found, "max_calls", calls)
    return Bounds(**found)


def raised(bounds: Bounds) -> str:
    """Return the bounds above the defaults as `name value, ...`, "" if there are none."""
    default = asdict(Bounds())
    return ", ".join(f"{k} {v}" for k, v in asdict(bounds).items() if v > default[k])


def widest(bounds: Iterable[Bounds]) -> Bounds:
    """Return the largest value of each bound."""
    columns = [asdict(each) for each in bounds]
    return Bounds(**{name: max(each[name] for each in columns) for name in columns[0]})


def _hold(found: dict[str, Any], step: Step, text: str, tokenizer: Tokenizer) -> None:
    tokens = len(tokenizer.encode(text.strip(), special=False))
    match step:
        case Plan():
            _raise(found, "max_thought_chars", len(thought_text(step)))
            _raise(found, "max_thought_tokens", tokens)
        case Call():
            _raise(found, "max_call_tokens", tokens)
        case Answer():
            # One more, so that a turn that ends by its end-of-turn token is not cut off.
            _raise(found, "max_answer_tokens", tokens + 1)
        case _:
            pass


def _raise(found: dict[str, Any], name: str, value: int) -> None:
    found[name] = max(found[name], value)
