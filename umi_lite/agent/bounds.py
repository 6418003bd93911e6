"""`Bounds`: the limits of an episode; `Sampling`: temperature, seed and votes."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from umi_lite.errors import UserError
from umi_lite.protocol.roles import SPEAKS, spoken, step_text, thought_text
from umi_lite.protocol.template import Tokenizer
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Trajectory,
    User,
    View,
)

LARGEST_SEED = 2**31 - 1
# The temperature of turns that shall differ where the sampling itself is greedy.
WARMER = 0.7
_Settings = TypeVar("_Settings", "Bounds", "Sampling")


@dataclass(frozen=True)
class Bounds:
    """The limits of an episode; those that end it have their stop reason in the trace.

    Attributes:
        max_calls: tool calls (`max_calls`).
        max_thought_chars: a thought's length, enforced by the grammar.
        max_thought_tokens, max_call_tokens, max_answer_tokens: tokens per turn. A plan or a
            call that is cut off is a `bad_turn`; a cut answer is kept.
        max_observation_chars: longer observations are cut in the middle.
        max_seconds: wall time, checked between turns (`timeout`).
        max_tools: tools shown to the planner and the caller at once; 0 for as many as have
            room. Of more the best are chosen, and the planner can search (`agent.offers`).
        max_corrections: how often a thought is said again from where it names a tool or its
            arguments wrongly (`agent.corrections`); 0 for never.
        repeats: this many equal calls with equal observations in a row are `stuck`; 1 disables.

    Raises:
        UserError: a value that is too small; the message names it.
    """

    max_calls: int = 8
    max_thought_chars: int = 400
    max_thought_tokens: int = 160
    max_call_tokens: int = 256
    max_answer_tokens: int = 256
    max_observation_chars: int = 1024
    max_seconds: float = 120.0
    max_corrections: int = 3
    repeats: int = 2
    max_tools: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name in ("max_calls", "max_corrections", "max_tools") else 1
            if name == "max_seconds":
                if not value > 0:
                    raise UserError(f"max_seconds is {value}; it must be above 0")
            elif value < least:
                raise UserError(f"{name} is {value}; it must be {least} or more")


@dataclass(frozen=True)
class Sampling:
    """How tokens are sampled; temperature 0 is greedy and needs no seed.

    Attributes:
        votes: samples of each plan and its call, of which the most frequent is taken
            (`agent.votes`). At temperature 0 all but the first are sampled at 0.7.
        copy_bias: how much values prefer the words of the request and of what tools returned, in
            nats per token; 0 for none (`engine.copying`).

    Raises:
        UserError: a negative or infinite temperature or bias, a seed that is out of range, or no
            vote.
    """

    temperature: float = 0.0
    seed: int = 0
    votes: int = 1
    copy_bias: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UserError(f"temperature is {self.temperature}; it must be 0 (greedy) or more")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(f"seed is {self.seed}; it must be from 0 to {LARGEST_SEED}")
        if self.votes < 1:
            raise UserError(f"votes is {self.votes}; it must be 1 or more")
        if not 0 <= self.copy_bias < math.inf:
            raise UserError(f"copy_bias is {self.copy_bias}; it must be 0 (none) or more")


def settled(own: _Settings, bundle: _Settings, asked: Mapping[str, Any]) -> _Settings:
    """Return the bounds, or the sampling, of a run.

    Args:
        own: an evaluation's values, or the defaults.
        bundle: the bundle's values. Those below the defaults replace `own`; of those above
            them and `own` the larger counts.
        asked: values of the command line, which replace all others.

    Raises:
        UserError: an invalid value.
    """
    default, least = asdict(type(bundle)()), asdict(own)
    held = {
        name: value if value < default[name] else max(value, least[name])
        for name, value in asdict(bundle).items()
        if value != default[name]
    }
    return replace(own, **held | dict(asked))


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
            elif isinstance(step, Plan | Call | Answer) and isinstance(step, own) and step.trained:
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
