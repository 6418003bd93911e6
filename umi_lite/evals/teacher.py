"""Teacher-forced prediction: the roles predict every gold decision on the gold history.

At a gold planner's turn the planner writes a thought and names the next role. If that is the
caller, it writes a call after the planner's own thought; if it is the summarizer, it writes an
answer, whatever the gold says. Then the gold turns replace all that and the transcript continues
(α-UMi, GLPFT/inference_utils/toolbench/infer_pipeline.py, but greedy, and with the prompts of
training). Style `chat`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from umi_lite.agent.agent import drive
from umi_lite.agent.bounds import Bounds, holding, widest
from umi_lite.data import toolbench
from umi_lite.engine.language import callable_tools
from umi_lite.engine.request import Generation, Request, RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.static_files import Dialogue, Fault, Gold, GoldStep, Place, Prediction
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.roles import BadTurn, parse_plan
from umi_lite.protocol.trajectory import ROLES, Trajectory, View

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
class TeacherForced:
    """Predictions by place, and the gold steps that could not be predicted, with the reason."""

    predictions: dict[Place, Prediction]
    missing: list[Fault]


class _NoTurn(Exception):
    """The step cannot be predicted; the message says why."""


def predict(
    engine: RoleEngine,
    gold: Gold,
    *,
    bounds: Bounds | None = None,
    on_dialogue: Callable[[], None] | None = None,
) -> TeacherForced:
    """Let the roles predict every gold step, `engine.slots` dialogues at once, greedily.

    A step whose transcript does not fit the context is listed in `missing`; histories are never
    cut.

    Args:
        bounds: the turns' lengths (the other bounds are not used); the default holds the gold
            turns and at least 512 tokens.
        on_dialogue: called as each dialogue ends.
    """
    loaded = toolbench.load(gold.path, keep_bad_arguments=True)
    trajectories = {made.meta["record"] - 1: made for made in loaded.trajectories}
    refused = {row.where: row.reason for row in loaded.dropped}
    forced = TeacherForced({}, [])
    asked = [trajectories[d.index] for d in gold.dialogues if d.index in trajectories]
    bounds = bounds or _holding(engine, asked)
    runs: list[_DialogueRun] = []
    for dialogue in gold.dialogues:
        if dialogue.index in trajectories:
            made = trajectories[dialogue.index]
            run = _DialogueRun(dialogue, made, engine, bounds, forced, on_dialogue)
            runs.append(run)
        else:
            reason = refused[f"{gold.path}:{dialogue.index + 1}"]
            forced.missing.extend(Fault(*step.place, reason) for step in dialogue.steps)
    # Adjacent dialogues with the same tools share a cached prefix.
    runs.sort(key=lambda run: [tool.name for tool in run.trajectory.tools])
    drive(engine, iter(runs), _DialogueRun.advance, _DialogueRun.abort)
    return forced


def _holding(engine: RoleEngine, trajectories: list[Trajectory]) -> Bounds:
    views: set[View] = {engine.view_of(role) for role in ROLES}
    return widest([BOUNDS, *(holding(trajectories, (v,), engine.language(v)) for v in views)])


@dataclass(eq=False)
class _DialogueRun:
    """One dialogue in the batch; the engine keeps its cache slots by this object."""

    dialogue: Dialogue
    trajectory: Trajectory
    engine: RoleEngine
    bounds: Bounds
    forced: TeacherForced
    on_end: Callable[[], None] | None
    turns: Generator[Request, Generation, None] = field(init=False)

    def __post_init__(self) -> None:
        self.turns = self._run()

    def advance(self, said: Generation | None) -> Request | None:
        """Run to the next request, queue it and return it; None at the dialogue's end."""
        try:
            asked = next(self.turns) if said is None else self.turns.send(said)
            while (why := self._refusal(asked)) is not None:
                asked = self.turns.throw(_NoTurn(why))
        except StopIteration:
            self.engine.release(self)
            if self.on_end is not None:
                self.on_end()
            return None
        return asked

    def abort(self, _: BaseException) -> None:
        """Free the cache of a dialogue that did not end."""
        self.engine.release(self)

    def _refusal(self, request: Request) -> str | None:
        """Queue a request; return why the engine refuses it (its grammar, say), or None."""
        try:
            self.engine.submit(request)
        except UserError as err:
            return str(err)
        return None

    def _run(self) -> Generator[Request, Generation, None]:
        for step in self.dialogue.steps:
            try:
                self.forced.predictions[step.place] = yield from self._predict(step)
            except _NoTurn as err:
                self.forced.missing.append(Fault(*step.place, str(err)))

    def _predict(self, step: GoldStep) -> Turns:
        # The instruction is turn 0, so a step's index in the trajectory is its turn minus 1.
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
            # As written, even if cut off: scoring decides what is a call.
            name, _, arguments = said.text.partition(" ")
            return made.model_copy(update={"tool": name or None, "arguments": arguments})
        if plan.next == "summarizer":
            grammar = answer_grammar()
            said = yield self._request("summarizer", history, grammar, bounds.max_answer_tokens)
            return made.model_copy(update={"answer": said.text.strip()})
        return made

    def _call_grammar(self, step: GoldStep) -> str:
        # Tools that end in the same 64 characters share a name; the first one's arguments count.
        named = {tool.name: tool for tool in reversed(self.trajectory.tools)}
        kept, refused = callable_tools(named.values())
        if step.tool in refused or (refused and not kept):
            raise _NoTurn(refused.get(step.tool or "", "; ".join(refused.values())))
        try:
            return call_grammar(kept)
        except UserError as err:
            raise _NoTurn(str(err)) from None

    def _request(self, role: View, history: Trajectory, grammar: str, max_tokens: int) -> Request:
        view = self.engine.view_of(role)
        words = self.engine.language(view)
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
            speaker=self.engine.speaker_of(role),
            ids=tuple(ids),
            shared=transcript.shared,
            grammar=grammar,
            max_tokens=min(max_tokens, self.engine.n_ctx - len(ids)),
            episode=self,
        )
