"""The agent loop, a generator that yields requests and tool calls and is sent their results.

planner → caller → tool → observation → planner … → summarizer, or → give up. Its driver
(`agent.agent`) runs one episode alone or many in a batch; the loop itself does no I/O.
"""

import time
from collections.abc import Callable, Collection, Generator, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from umi_lite.agent.bounds import WARMER, Bounds, Sampling
from umi_lite.agent.corrections import corrected_start
from umi_lite.agent.offers import Offers
from umi_lite.agent.trace import Ended, StopReason, Trace, TraceTurn
from umi_lite.agent.votes import Ballot, call_key, choice_of, elect, is_decided
from umi_lite.agent.wanted import Wanted
from umi_lite.engine.language import callable_tools, usable_tools
from umi_lite.engine.request import Generation, Request, RoleEngine, Values
from umi_lite.errors import UserError
from umi_lite.files import text_of
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.prompts import ContextFull, Transcript, Transcripts
from umi_lite.protocol.roles import SEARCH_TOOL, BadTurn, parse_call, parse_plan
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Trajectory,
    View,
)
from umi_lite.sandbox.text import head_and_tail
from umi_lite.tools.search import ToolIndex

OnEvent = Callable[[str, str], None]
Steps = Generator[Request | Call, Any, None]
_T = TypeVar("_T")
_VALUES: dict[View, Values] = {"planner": "thought", "caller": "call"}


@dataclass(eq=False)
class Episode:
    """One task from its instruction to its trace.

    Args:
        trajectory: the instruction and the tools; steps in it are the history so far. The loop
            continues after the last of them: after a plan the one it names speaks, a call is made.
        engine: the views' tokenizers and templates, and the context size.
        on_event: called with (role or `tool`, stretch of text) as it is generated.
        wanted: what a request asks of it besides its task.
        on_step: called with the episode each time that its trajectory has grown.
        index: of all tools, to choose from where they are too many (`agent.offers`); default the
            trajectory's.
        pure: the tools whose calls change nothing, so that they may be made for a vote.

    Raises:
        UserError: the instruction is empty, or none of its tools can be called.
        UserWarning: a tool that cannot be called is left out; its name and why.
    """

    trajectory: Trajectory
    engine: RoleEngine
    bounds: Bounds = field(default_factory=Bounds)
    sampling: Sampling = field(default_factory=Sampling)
    on_event: OnEvent | None = None
    wanted: Wanted = field(default_factory=Wanted)
    on_step: "Callable[[Episode], None] | None" = None
    index: ToolIndex | None = None
    pure: Collection[str] = ()

    def __post_init__(self) -> None:
        if not self.trajectory.instruction.strip():
            raise UserError("the instruction is empty; say what to do")
        index = self.index or ToolIndex(self.trajectory.tools)
        language = self.engine.language(self.engine.view_of("planner"))
        self._offers = Offers(
            index, language, self.engine.n_ctx, self.bounds.max_tools, usable_tools
        )
        made = self._offers.begin(self.trajectory, self.wanted.tools or ())
        _, refused = callable_tools(made.tools)
        if refused and len(refused) == len(made.tools):
            raise UserError("; ".join(refused.values()))
        self.trajectory = made.model_copy(update={"tools": usable_tools(made.tools)})
        self._allow_offered()
        self._transcripts = Transcripts(self._transcript, self.engine.n_ctx)
        self._turns: list[TraceTurn] = []
        self._pieces: dict[tuple[str, bool], int] = {}
        self._made: dict[Hashable, Observation] = {}  # of calls that were made for a vote
        self._began = datetime.now(UTC)
        self._started = time.monotonic()
        self._end: tuple[StopReason, str | None] = ("error", "the episode was not finished")

    def run(self) -> Steps:
        """Yield each Request (send a Generation) and Call (send an Observation) until the end."""
        self._began, self._started = datetime.now(UTC), time.monotonic()
        try:
            yield from self._loop()
        except Ended as end:
            self._end = (end.stop, end.error)

    def ended(self, stop: StopReason, error: str | None = None) -> None:
        """Set how the driver ended it: a tool crash, an error, an interrupt."""
        self._end = (stop, error)

    def trace(self, *, model: str | None = None, bundle: str | None = None) -> Trace:
        """Return the trace so far; it is complete once the episode has ended."""
        stop, error = self._end
        return Trace(
            trajectory=self.trajectory,
            stop=stop,
            error=error,
            turns=tuple(self._turns),
            elided=self._transcripts.elided,
            seconds=max(0.0, time.monotonic() - self._started),
            model=model and text_of(model),
            bundle=bundle and text_of(bundle),
            started=self._began,
            pieces=tuple(self._pieces),
        )

    def _loop(self) -> Steps:
        bounds, temperature = self.bounds, self.sampling.temperature
        done = self.trajectory.done()
        while True:
            match self.trajectory.steps[-1:]:
                case (Plan(next="give_up"),):
                    raise Ended("give_up")
                case (Plan(next="summarizer"),):
                    said = yield from self._turn("summarizer", self.on_event, temperature)
                    self._grow(Answer(text=self.wanted.cut(said.text)))
                    cut = f"the answer was cut off after {len(said.ids)} tokens"
                    raise Ended("answer", cut if said.stop == "length" else None)
                case (Plan(next="caller"),):
                    if len(done) >= bounds.max_calls:
                        most = f"more than {bounds.max_calls} calls"
                        raise Ended("max_calls", f"the planner wanted {most}")
                    said = yield from self._turn("caller", self.on_event, temperature)
                    self._grow(_parsed(parse_call, said))
                case (Call() as call,):
                    if SEARCH_TOOL in self.trajectory.tools and call.tool == SEARCH_TOOL.name:
                        observation = self._search(call)
                    else:
                        observation = yield from self._observe(call)
                        self._grow(observation)
                    done.append((call, observation))
                case _:
                    self._check_progress(done)
                    if self.sampling.votes > 1:
                        yield from self._vote(may_call=len(done) < bounds.max_calls)
                    else:
                        self._grow((yield from self._think(self.on_event, temperature)))

    def _check_progress(self, done: list[tuple[Call, Observation]]) -> None:
        """End the episode if it repeats itself."""
        repeats = self.bounds.repeats
        last = done[-repeats:]
        if len(last) == repeats > 1 and all(pair == last[0] for pair in last):
            times = f"{repeats} times in a row"
            raise Ended("stuck", f"{last[0][0].tool} was called {times} with one result")

    def _grow(self, step: Step) -> None:
        self.trajectory = self.trajectory.with_step(step)
        if self.on_step is not None:
            self.on_step(self)

    def _allow_offered(self) -> None:
        """Let the caller call the tools that are offered."""
        self._callable = self.wanted.callable(self.trajectory.offered)
        self._call = call_grammar(self._callable) if self._callable else ""

    def _observe(self, call: Call) -> Generator[Call, Observation, Observation]:
        started = time.monotonic()
        seen = self._made.get(call_key(call)) or (yield call)
        spent, at = time.monotonic() - started, started - self._started
        step = len(self.trajectory.steps)
        self._turns.append(TraceTurn(view="tool", tool_seconds=spent, at=at, step=step))
        text = head_and_tail(seen.content, self.bounds.max_observation_chars)
        if self.on_event is not None:
            self.on_event("tool", text)
        return seen.model_copy(update={"content": text})

    def _search(self, call: Call) -> Observation:
        """Grow by the result of a search, and by the tools that it found."""
        started = time.monotonic()
        observation, offer = self._offers.search(call, self.trajectory)
        spent, at = time.monotonic() - started, started - self._started
        step = len(self.trajectory.steps)
        self._turns.append(TraceTurn(view="tool", tool_seconds=spent, at=at, step=step))
        self._grow(observation)
        if offer is not None:
            self._grow(offer)
            self._allow_offered()
        if self.on_event is not None:
            self.on_event("tool", observation.content)
        return observation

    def _vote(self, *, may_call: bool) -> Steps:
        """Grow by the plan, and by the call it leads to, that most of the samples agree on."""
        task, before, votes = self.trajectory, self._transcripts, self.sampling.votes
        self._made.clear()
        ballots: list[Ballot] = []
        transcripts: list[Transcripts] = []
        while len(ballots) < votes and not is_decided([each.choice for each in ballots], votes):
            self._transcripts = before.copy()
            temperature = self.sampling.temperature or (WARMER if ballots else 0.0)
            ballots.append((yield from self._sample(temperature, may_call)))
            transcripts.append(self._transcripts)
            self.trajectory = task
        place, agreed = elect([each.choice for each in ballots])
        # Of samples of which none can be taken one whose call only failed, to show its error.
        sound = (at for at, ballot in enumerate(ballots) if ballot.fault is None)
        place = next(sound, 0) if place is None else place
        elected, self._transcripts = ballots[place], transcripts[place]
        for ballot in ballots:
            for number in ballot.turns:
                if ballot is elected:
                    self._turns[number].votes = agreed, len(ballots)
                else:
                    self._turns[number].step = None
        if self.on_event is not None:
            turns = [number for number in elected.turns if self._turns[number].step is not None]
            for role, number in zip(("planner", "caller"), turns, strict=False):
                self.on_event(role, self._turns[number].said or "")
        for step in elected.steps:
            self._grow(step)
        if elected.fault is not None:
            raise elected.fault

    def _sample(self, temperature: float, may_call: bool) -> Generator[Any, Any, Ballot]:
        """Return one sample of a plan and the call it leads to."""
        first, old = len(self._turns), len(self.trajectory.steps)
        seen, fault = None, None
        try:
            plan = yield from self._think(None, temperature)
            self.trajectory = self.trajectory.with_step(plan)
            if plan.next == "caller" and may_call:
                turn = yield from self._turn("caller", None, temperature)
                call = _parsed(parse_call, turn)
                self.trajectory = self.trajectory.with_step(call)
                if call.tool in self.pure:
                    key = call_key(call)
                    seen = self._made[key] = self._made.get(key) or (yield call)
        except Ended as end:
            fault = end
        steps = self.trajectory.steps[old:]
        choice = None if fault is not None else choice_of(steps, seen)
        turns = range(first, len(self._turns))
        return Ballot(choice, steps, turns, fault)

    def _think(
        self, on_event: OnEvent | None, temperature: float
    ) -> Generator[Request, Generation, Plan]:
        """Return the planner's turn, said again from where `corrected_start` finds it wrong."""
        before = self._transcripts.copy()
        plan = _parsed(parse_plan, (yield from self._turn("planner", on_event, temperature)))
        for _ in range(self.bounds.max_corrections):
            if (start := corrected_start(plan, self._callable, self.trajectory)) is None:
                break
            if on_event is not None:
                on_event("planner", "\n")
            first, kept = len(self._turns) - 1, self._transcripts
            self._transcripts = before.copy()
            again = yield from self._turn("planner", on_event, temperature, start)
            if again.stop in ("length", "illegal"):
                self._transcripts, self._turns[-1].step = kept, None
                break
            self._turns[first].step = None
            plan = _parsed(parse_plan, again)
        return plan

    def _turn(
        self, role: View, on_event: OnEvent | None, temperature: float, start: str = ""
    ) -> Generator[Request, Generation, Generation]:
        """Request one role's turn, which begins with `start`; add it to its view's transcript."""
        grammar, max_tokens = self._form(role, start)
        if time.monotonic() - self._started > self.bounds.max_seconds:
            most = f"{self.bounds.max_seconds:g} s"
            raise Ended("timeout", f"{most} had passed before the {role}'s turn")
        if (most := self.wanted.max_tokens) is not None:
            left = most - sum(turn.generated for turn in self._turns)
            if left < 1:
                raise Ended("max_tokens", f"{most} tokens were written before the {role}'s turn")
            max_tokens = min(max_tokens, left)
        at = time.monotonic() - self._started
        view, speaker = self.engine.view_of(role), self.engine.speaker_of(role)
        try:
            transcript = self._transcripts.advance(view, self.trajectory, max_tokens)
        except ContextFull as full:
            raise Ended("context", str(full)) from None
        said = yield Request(
            view=view,
            speaker=speaker,
            ids=tuple(transcript.ids),
            shared=transcript.shared,
            grammar=grammar,
            max_tokens=max_tokens,
            temperature=temperature,
            values=_VALUES.get(role),
            copy_bias=self.sampling.copy_bias,
            seed=self.sampling.seed + len(self._turns),
            episode=self,
            on_text=None if on_event is None else lambda text: on_event(role, text),
        )
        pieces = ((piece.text, piece.special) for piece in transcript.added if piece.text)
        read = tuple(self._pieces.setdefault(piece, len(self._pieces)) for piece in pieces)
        self._turns.append(
            TraceTurn.of(
                said,
                view=speaker,
                at=at,
                step=len(self.trajectory.steps),
                continues=self._transcripts.last(view),
                read=read,
                said=said.text,
            )
        )
        self._transcripts.spoke(view, said.ids, len(self._turns) - 1)
        return said

    def _transcript(self, view: View) -> Transcript:
        language = self.engine.language(view)
        return Transcript(view, language.template, language)

    def _form(self, role: View, start: str) -> tuple[str, int]:
        """Return the grammar of a role's turn, and its most tokens."""
        bounds = self.bounds
        match role:
            case "planner":
                tools = bool(self._callable)
                grammar = self.wanted.plan_grammar(bounds.max_thought_chars, start, tools=tools)
                return grammar, bounds.max_thought_tokens
            case "caller":
                return self._call, bounds.max_call_tokens
            case _:
                return self.wanted.answer_grammar(), bounds.max_answer_tokens


def _parsed(parse: Callable[[str], _T], said: Generation) -> _T:
    if said.stop == "length":
        cut = f"the turn was cut off after {len(said.ids)} tokens"
        raise Ended("bad_turn", f"{cut}: {said.text!r}")
    if said.stop == "illegal":
        raise Ended("bad_turn", f"the turn left its grammar: {said.text!r}")
    try:
        return parse(said.text)
    except BadTurn as err:
        raise Ended("bad_turn", f"{err}: {said.text!r}") from None
