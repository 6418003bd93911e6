"""`Request` to an engine, the `Generation` it returns, and the Protocol `RoleEngine`."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from umi_lite.errors import UserError
from umi_lite.protocol.template import ChatTemplate, Tokenizer
from umi_lite.protocol.trajectory import View

Stop = Literal["grammar", "eot", "length", "illegal"]
Values = Literal["call", "thought"]
"""Strings in a call's JSON, or what follows `=` in a thought."""


@dataclass(frozen=True, eq=False)
class Request:
    """One turn to generate.

    Attributes:
        view: whose context and cache hold the transcript.
        speaker: whose adapter acts on the turn; None is the view's own.
        ids: the whole transcript so far; what is in the cache already is not read again.
        shared: how many of its first ids other episodes have too (the system message).
        grammar: llguidance Lark text that the turn must match, None for free text.
        max_tokens: the turn's longest, its end-of-turn token not counted.
        temperature: 0 is greedy.
        values: what the turn writes whose words the transcript may have; None for none.
        copy_bias: how much the transcript's words are preferred in them (`engine.copying`).
        seed: for temperatures above 0; the same request gives the same turn.
        episode: keeps its cache slot until `Engine.release`; None keeps none.
        on_text: called with each stretch of text as it is generated.
    """

    view: View
    ids: Sequence[int] = field(repr=False)
    shared: int = 0
    grammar: str | None = field(default=None, repr=False)
    max_tokens: int = 256
    temperature: float = 0.0
    values: Values | None = None
    copy_bias: float = 0.0
    seed: int = 0
    episode: Hashable = None
    on_text: Callable[[str], None] | None = field(default=None, repr=False)
    speaker: View | None = None

    @property
    def owner(self) -> Hashable:
        """Return what its cache slot serves: its episode, or the request itself without one."""
        return self if self.episode is None else self.episode


@dataclass(kw_only=True)
class Cost:
    """What a turn took, and how it ended; in the order of a trace's JSON.

    Attributes:
        prompt_tokens: tokens of the request's transcript.
        reused: how many of these were in the cache.
        evaluated: how many of these went through the model now.
        decoded: how many of the generated tokens went through the model (never the last).
        generated: the turn's own tokens, without its end-of-turn token.
        forced: how many of these the grammar left no choice about.
        drafted: tokens that were guessed and evaluated speculatively (`engine.draft`).
        accepted: how many of these became part of the turn.
        stop: `grammar` the grammar was complete, `eot` the model ended its turn, `length`,
            `illegal` a server's text that left the grammar; None if it has not ended.
        prefill_seconds, decode_seconds: this turn's share of the computing.
        grammar_seconds: additional time spent on grammar checks.
    """

    prompt_tokens: int = 0
    reused: int = 0
    evaluated: int = 0
    decoded: int = 0
    generated: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0
    stop: Stop | None = None
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    grammar_seconds: float = 0.0

    @classmethod
    def of(cls, cost: "Cost", **more: Any) -> Self:
        """Return an object of this class with another's counters."""
        return cls(**{item.name: getattr(cost, item.name) for item in fields(Cost)}, **more)


@dataclass
class Generation(Cost):
    """One generated turn, without its end-of-turn token, and its cost."""

    ids: tuple[int, ...]
    text: str

    def __post_init__(self) -> None:
        self.generated = len(self.ids)


class TurnFailed(UserError):
    """One request failed, and no other. The message says why."""

    def __init__(self, request: Request, why: str):
        super().__init__(why)
        self.request = request


class ViewLanguage(Tokenizer, Protocol):
    """The tokenizer and chat template of one view's model."""

    template: ChatTemplate


class RoleEngine(Protocol):
    """What the agent loop and evaluations need of an engine (`engine.engine.Engine`)."""

    @property
    def n_ctx(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def base(self) -> Path: ...
    def view_of(self, role: View) -> View: ...
    def speaker_of(self, role: View) -> View: ...
    def language(self, view: View) -> ViewLanguage: ...
    def generate(self, request: Request) -> Generation: ...
    def submit(self, request: Request) -> None: ...
    def step(self) -> list[tuple[Request, Generation]]: ...
    def interrupt(self) -> None: ...
    def release(self, episode: Hashable) -> None: ...


def view_of(role: View, views: Collection[View]) -> View:
    """Return the view whose transcript has a role's turns: its own, else `backbone`."""
    return "backbone" if role not in views and "backbone" in views else role


def check_size(request: Request, n_ctx: int) -> None:
    """Check that the transcript and the longest turn fit a context.

    Raises:
        UserError: they do not, or the transcript is empty.
    """
    size = len(request.ids)
    if not 0 < size <= n_ctx - request.max_tokens:
        raise UserError(
            f"a transcript of {size} tokens and a turn of {request.max_tokens} do not fit "
            f"a context of {n_ctx}; raise n_ctx or lower the bounds"
        )
