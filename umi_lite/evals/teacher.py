"""Teacher-forced prediction: what the roles say at every gold decision, on the gold history.

At a gold planner's turn the planner writes a thought and who is next. If that is the caller, the
caller writes a call behind the planner's own thought; if it is the summarizer, the summarizer an
answer, whoever should have been next. Then the gold turns take the place of all that and the
transcript goes on (α-UMi, GLPFT/inference_utils/toolbench/infer_pipeline.py, but greedy, and with
the prompts of training). Style `chat`.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from umi_lite.agent.agent import Runner
from umi_lite.agent.bounds import Bounds
from umi_lite.agent.callable_tools import callable_tools
from umi_lite.agent.trained_bounds import holding, widest
from umi_lite.data import toolbench
from umi_lite.engine.request import Generation, Request
from umi_lite.errors import UserError
from umi_lite.evals.static_files import Dialogue, Fault, Gold, GoldStep, Place, Prediction
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.roles import ROLES, BadTurn, View, parse_plan
from umi_lite.protocol.trajectory import Trajectory

_LEAST = 512
# The official evaluation's 512 new tokens, and the thought as long as they can make it. Where gold
# turns are longer, these are raised to hold them, as far as the context has room.
BOUNDS = Bounds(
    max_thought_chars=2000,
    max_thought_tokens=_LEAST,
    max_call_tokens=_LEAST,
    max_answer_tokens=_LEAST,
)
Turns = Generator[Request, Generation, Prediction]


@dataclass(frozen=True)
class Taught:
    """What was said, by place, and the gold steps where nothing could be said, with the reason."""

    predictions: dict[Place, Prediction]
    missing: list[Fault]


class _NoTurn(Exception):
    """The step cannot be asked for. The message says why."""


def predict(
    engine: Runner,
    gold: Gold,
    *,
    single: bool = False,
    bounds: Bounds | None = None,
    on_dialogue: Callable[[], None] | None = None,
) -> Taught:
    """Let the roles predict every gold step, `engine.slots` dialogues at once, greedily.

    A step whose transcript does not fit the context is left out and told in `missing`: nothing
    is cut from a history.

    Args:
        single: one model, the view `backbone`, takes all the turns.
        bounds: the turns' lengths (the other bounds are not used); default what holds the gold
            turns, and at least 512 tokens.
        on_dialogue: called as each dialogue ends.
    """
    loaded = toolbench.load(gold.path, keep_bad_arguments=True)
    trajectories = {made.meta["record"] - 1: made for made in loaded.trajectories}
    refused = {row.where: row.reason for row in loaded.dropped}
    taught = Taught({}, [])
    asked = [trajectories[d.index] for d in gold.dialogues if d.index in trajectories]
    bounds = bounds or _holding(engine, asked, single=single)
    lessons: list[_Lesson] = []
    for dialogue in gold.dialogues:
        if dialogue.index in trajectories:
            made = trajectories[dialogue.index]
            lessons.append(_Lesson(dialogue, made, engine, bounds, single, taught))
        else:
            reason = refused[f"{gold.path}:{dialogue.index + 1}"]
            taught.missing.extend(Fault(*step.place, reason) for step in dialogue.steps)
    # Neighbours with the same tools share a cached prefix.
    lessons.sort(key=lambda lesson: [tool.name for tool in lesson.trajectory.tools])
    _teach(engine, iter(lessons), on_dialogue or (lambda: None))
    return taught


def _holding(engine: Runner, trajectories: list[Trajectory], *, single: bool) -> Bounds:
    views: tuple[View, ...] = ("backbone",) if single else ROLES
    return widest([BOUNDS, *(holding(trajectories, (v,), engine.words(v)) for v in views)])


@dataclass(eq=False)
class _Lesson:
    """One dialogue on its way. It is what the engine keeps cache slots for."""

    dialogue: Dialogue
    trajectory: Trajectory
    engine: Runner
    bounds: Bounds
    single: bool
    taught: Taught
    turns: Generator[Request, Generation, None] = field(init=False)

    def __post_init__(self) -> None:
        self.turns = self._run()

    def _run(self) -> Generator[Request, Generation, None]:
        for step in self.dialogue.steps:
            try:
                self.taught.predictions[step.place] = yield from self._predict(step)
            except _NoTurn as err:
                self.taught.missing.append(Fault(*step.place, str(err)))

    def _predict(self, step: GoldStep) -> Turns:
        # The instruction is turn 0, so a trajectory's step stands one place before its turn.
        history = self.trajectory.model_copy(
            update={"steps": self.trajectory.steps[: step.turn - 1]}
        )
        made = Prediction(dialogue=step.dialogue, turn=step.turn, next="none")
        tools, bounds = self.trajectory.tools, self.bounds
        grammar = plan_grammar(bounds.max_thought_chars, tools=bool(tools))
        said = yield self._request("planner", history, grammar, bounds.max_thought_tokens)
        try:
            plan = parse_plan(said.text)
        except BadTurn:
            return made
        history = history.with_step(plan)
        made = made.model_copy(update={"next": plan.next})
        if plan.next == "caller":
            grammar = self._call_grammar(step)
            said = yield self._request("caller", history, grammar, bounds.max_call_tokens)
            # As it was written, cut off or not: scoring says what is a call.
            name, _, arguments = said.text.partition(" ")
            return made.model_copy(update={"tool": name or None, "arguments": arguments})
        if plan.next == "summarizer":
            grammar = answer_grammar()
            said = yield self._request("summarizer", history, grammar, bounds.max_answer_tokens)
            return made.model_copy(update={"answer": said.text.strip()})
        return made

    def _call_grammar(self, step: GoldStep) -> str:
        # Two tools can end in the same 64 characters, and be one name: the first one's arguments.
        named = {tool.name: tool for tool in reversed(self.trajectory.tools)}
        kept, refused = callable_tools(named.values())
        if step.tool in refused or (refused and not kept):
            raise _NoTurn(refused.get(step.tool or "", "; ".join(refused.values())))
        try:
            return call_grammar(kept)
        except UserError as err:
            raise _NoTurn(str(err)) from None

    def _request(self, role: View, history: Trajectory, grammar: str, max_tokens: int) -> Request:
        view: View = "backbone" if self.single else role
        words = self.engine.words(view)
        transcript = Transcript(view, words.template, words)
        ids = transcript.advance(history)
        least = min(max_tokens, _LEAST)
        if len(ids) + least > self.engine.n_ctx:
            raise _NoTurn(
                f"the {role}'s transcript and a turn of {least} tokens do not fit a context "
                f"of {self.engine.n_ctx}"
            )
        return Request(
            view=view,
            ids=tuple(ids),
            shared=transcript.shared,
            grammar=grammar,
            max_tokens=min(max_tokens, self.engine.n_ctx - len(ids)),
            episode=self,
        )


def _teach(engine: Runner, lessons: Iterator[_Lesson], on_dialogue: Callable[[], None]) -> None:
    """Drive all lessons to their ends, as many at once as the engine has slots."""
    running: dict[Request, _Lesson] = {}

    def go_on(lesson: _Lesson, said: Generation | None) -> None:
        """Take a lesson to its next request, or to its end."""
        try:
            asked = next(lesson.turns) if said is None else lesson.turns.send(said)
            while (why := _refusal(engine, asked)) is not None:
                asked = lesson.turns.throw(_NoTurn(why))
        except StopIteration:
            engine.release(lesson)
            on_dialogue()
            return
        running[asked] = lesson

    try:
        more = True
        while more or running:
            while more and len(running) < engine.slots:
                lesson = next(lessons, None)
                more = lesson is not None
                if lesson is not None:
                    go_on(lesson, None)
            for request, said in engine.step() if running else ():
                go_on(running.pop(request), said)
    finally:
        for lesson in running.values():
            engine.release(lesson)


def _refusal(engine: Runner, request: Request) -> str | None:
    """Queue a request; or why the engine does not take it (a grammar, say)."""
    try:
        engine.submit(request)
    except UserError as err:
        return str(err)
    return None
