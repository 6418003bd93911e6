"""Style `chat`: turns that an agent could say are trained, the others are context only.

A turn that its role's grammar refuses, or that appears where the loop asks for another one,
teaches what no agent can do. Lengths are not checked here: a bundle's bounds hold what was trained
(`agent.trained_bounds`).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from umi_lite.agent.bounds import Bounds
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.engine.language import callable_tools
from umi_lite.errors import UserError
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.paper import NO_ANSWER
from umi_lite.protocol.roles import call_text, plan_text, spoken, thought_text
from umi_lite.protocol.trajectory import (
    HEARD,
    Answer,
    Call,
    Next,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)

# What became of a turn.
CONTEXT_ONLY = "are context only, not trained: "
NO_THOUGHT = "had no thought, and were given one that says what followed"
NO_NEXT_NAMED = "named no next speaker, and name the one who followed"

# Why it is context only.
EMPTY_ANSWER = "the answer is empty"
NO_ANSWER_MARK = f"the answer is {NO_ANSWER!r}, ToolBench's mark of a missing one"
NO_NEXT = "the plan names no next speaker, and the step after it does not either"
NO_PLAN = "no plan before it asks for this turn"
OUT_OF_TURN = "the loop would not ask for a plan there"
NO_TOOLS = "the plan asks for a call, and there are no tools"
UNKNOWN_TOOL = "it calls a tool that is not in the list"
NOT_IN_SCHEMA = "the call is not what the tool's schema allows"
STUCK = "it repeats a call that had the same result, where the loop ends"
NOT_IN_GRAMMAR = "the role's grammar does not allow it"
NOTHING_LEFT = "no turn is left to train"

_KEPT_GRAMMARS = 256


def only_sayable(loaded: Loaded) -> Loaded:
    """Return the trajectories with `trained` false at each turn that no agent could say.

    `amended` lists these turns, and those that `roles.spoken` words. A
    trajectory in which no turn is trained is dropped.
    """
    grammars = Grammars(loaded.trajectories)
    made = Loaded([], list(loaded.dropped), list(loaded.amended))
    for trajectory in loaded.trajectories:
        reasons = unsayable(trajectory, grammars)
        steps = list(trajectory.steps)
        for at in reasons:
            steps[at] = steps[at].model_copy(update={"trained": False})
        if not any(map(_is_trained, steps)):
            first = next(iter(reasons.values()), "its source trains none")
            made.dropped.append(Dropped(trajectory.id, f"{NOTHING_LEFT}: {first}"))
            continue
        changes = {at: CONTEXT_ONLY + why for at, why in reasons.items()} | _worded(steps)
        made.amended += [
            Dropped(f"{trajectory.id}, step {at + 1}", what) for at, what in sorted(changes.items())
        ]
        kept = trajectory.model_copy(update={"steps": tuple(steps)}) if reasons else trajectory
        made.trajectories.append(kept)
    return made


class Grammars:
    """Checks that a text is a whole turn of a role, by the grammars of a running agent.

    Args:
        trajectories: their longest thought is the limit of a thought.
    """

    def __init__(self, trajectories: Iterable[Trajectory]):
        from llguidance import LLTokenizer

        self._bytes = LLTokenizer("byte")
        self._kept: dict[str, Any] = {}
        said = (step for made in trajectories for _, step in spoken(made.steps))
        thoughts = (len(thought_text(step)) for step in said if isinstance(step, Plan))
        self._plan = plan_grammar(max(thoughts, default=1))

    def allow_plan(self, plan: Plan) -> bool:
        return self._accepts(self._plan, plan_text(plan))

    def allow_answer(self, answer: Answer) -> bool:
        return self._accepts(answer_grammar(), answer.text.strip())

    def allow_call(self, call: Call, tools: tuple[Tool, ...]) -> bool:
        """True if the call is one of these tools.

        Raises:
            UserError: an agent with these tools does not start, or leaves this one out.
        """
        kept, refused = callable_tools(tools)
        if call.tool in refused:
            raise UserError(refused[call.tool])
        return self._accepts(call_grammar(kept), call_text(call, tools))

    def _accepts(self, grammar: str, text: str) -> bool:
        matcher = self._matcher(grammar).deep_copy()
        raw = list(text.encode("utf-8", "surrogatepass"))
        return matcher.try_consume_tokens(raw) == len(raw) and matcher.is_accepting()

    def _matcher(self, grammar: str) -> Any:
        if grammar not in self._kept:
            from llguidance import LLMatcher

            made = LLMatcher(self._bytes, grammar)
            if made.is_error():
                reason = " ".join(made.get_error().split())[:100]
                raise UserError(f"the grammar cannot be used: {reason}")
            if len(self._kept) >= _KEPT_GRAMMARS:
                del self._kept[next(iter(self._kept))]
            self._kept[grammar] = made
        return self._kept[grammar]


def unsayable(trajectory: Trajectory, grammars: Grammars) -> dict[int, str]:
    """Return the turns (from 0) that no agent could say, each with the reason.

    With a call of an unknown tool or one that ends the loop goes the plan before it.
    """
    steps = trajectory.steps
    stuck = set(_stuck(steps))
    said = dict(spoken(steps))
    found = {at: NO_NEXT for at in range(len(steps)) if at not in said}
    before: Step | None = None
    planned = -1
    for at, step in said.items():
        reason = _reason(step, before, trajectory, grammars) or (STUCK if at in stuck else "")
        if reason:
            found[at] = reason
        if reason in (UNKNOWN_TOOL, STUCK):
            found.setdefault(planned, reason)
        if isinstance(step, Plan):
            planned = at
        before = step
    return {at: why for at, why in found.items() if _is_trained(steps[at])}


def _worded(steps: Sequence[Step]) -> dict[int, str]:
    """Return the trained turns with a text that the source does not have."""
    found: dict[int, str] = {}
    for at, step in enumerate(steps):
        if isinstance(step, Plan) and step.trained:
            if not step.thought.strip():
                found[at] = NO_THOUGHT
            elif step.next is None:
                found[at] = NO_NEXT_NAMED
    return found


def _is_trained(step: Step) -> bool:
    return not isinstance(step, HEARD) and step.trained


def _reason(step: Step, before: Step | None, trajectory: Trajectory, grammars: Grammars) -> str:
    """Return why a turn cannot be said after the step before it; "" where it can."""
    match step:
        case Plan():
            return _plan_reason(step, before, trajectory, grammars)
        case Call():
            return _call_reason(step, before, trajectory, grammars)
        case Answer():
            return _answer_reason(step, before, trajectory, grammars)
        case _:
            return ""


def _plan_reason(
    plan: Plan, before: Step | None, trajectory: Trajectory, grammars: Grammars
) -> str:
    if not (before is None or isinstance(before, HEARD)):
        return OUT_OF_TURN
    if plan.next == "caller" and not trajectory.offered:
        return NO_TOOLS
    return "" if grammars.allow_plan(plan) else NOT_IN_GRAMMAR


def _call_reason(
    call: Call, before: Step | None, trajectory: Trajectory, grammars: Grammars
) -> str:
    if not _asked(before, "caller"):
        return NO_PLAN
    if call.tool not in {tool.name for tool in trajectory.offered}:
        return UNKNOWN_TOOL
    try:
        return "" if grammars.allow_call(call, trajectory.offered) else NOT_IN_SCHEMA
    except UserError as err:
        return f"no agent has such tools: {err}"


def _answer_reason(
    answer: Answer, before: Step | None, trajectory: Trajectory, grammars: Grammars
) -> str:
    if not _asked(before, "summarizer"):
        return NO_PLAN
    if not answer.text.strip():
        return EMPTY_ANSWER
    if trajectory.source == "toolbench" and answer.text == NO_ANSWER:
        return NO_ANSWER_MARK
    return "" if grammars.allow_answer(answer) else NOT_IN_GRAMMAR


def _asked(before: Step | None, who: Next) -> bool:
    return isinstance(before, Plan) and before.next == who


def _stuck(steps: Sequence[Step]) -> Iterator[int]:
    """Yield the indices of calls after whose results the loop ends as `stuck`."""
    last: tuple[Call, Observation] | None = None
    row = 0
    for at, (step, after) in enumerate(pairwise(steps)):
        if isinstance(step, User):
            last, row = None, 0
        elif isinstance(step, Call) and isinstance(after, Observation):
            same = last is not None and _action(last) == _action((step, after))
            last, row = (step, after), row + 1 if same else 1
            if row >= Bounds().repeats:
                yield at


def _action(done: tuple[Call, Observation]) -> tuple[Any, ...]:
    call, seen = done
    return call.tool, call.arguments, seen.content, seen.error
