"""Style `chat`: a trajectory as one view sees it, as token ids and a mask of trained tokens."""

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import dropwhile, takewhile, zip_longest

from umi_lite.protocol.roles import SEES_TOOLS, SPEAKS, spoken, step_text, system_text
from umi_lite.protocol.template import (
    ChatTemplate,
    Message,
    Part,
    Piece,
    Rendered,
    Tokenizer,
    encode_pieces,
)
from umi_lite.protocol.trajectory import HEARD, Observation, Offer, Step, Trajectory, User, View

ELIDED = "[elided]"
# Between docs and a user's text, as parts of a message are a line each.
_BLANK_LINE = "\n"


def view_messages(
    trajectory: Trajectory, view: View, transcript: View | None = None
) -> list[Message]:
    """Return the conversation for one view: what the roles say is assistant, all else user.

    Every view reads the same words after the system message, so that what the global
    stage learned holds for each role (docs/decisions.md); only the view's own are trained,
    without those that are context only (`trained` false).
    Neighbouring steps of one side share a message, a line each.

    Args:
        transcript: the view whose system message it has, default its own. Roles whose adapters
            act on their own turns share the one of `backbone`.
    """
    reader, tools = transcript or view, trajectory.offered
    messages = [
        Message("system", (Part(system_text(reader, trajectory.tools), False),)),
        Message("user", tuple(_opening(trajectory, reader))),
    ]
    steps = [step for _, step in spoken(trajectory.steps)]
    steps = list(dropwhile(lambda step: isinstance(step, Offer), steps))
    for step, after in zip_longest(steps, steps[1:]):
        if isinstance(step, Offer) and reader not in SEES_TOOLS:
            continue
        heard = isinstance(step, HEARD)
        role = "user" if heard else "assistant"
        own = not heard and step.trained and isinstance(step, SPEAKS[view])
        text = step_text(step, tools).strip()
        if isinstance(step, Offer) and isinstance(after, User):
            text += _BLANK_LINE
        part = Part(text, own)
        if messages[-1].role == role:
            messages[-1] = Message(role, (*messages[-1].parts, part))
        else:
            messages.append(Message(role, (part,)))
    return messages


def _opening(trajectory: Trajectory, reader: View) -> Iterator[Part]:
    """Yield the first user message: the tools offered before the instruction, and it."""
    offers = takewhile(lambda step: isinstance(step, Offer), trajectory.steps)
    for offer in offers if reader in SEES_TOOLS else ():
        yield Part(step_text(offer, trajectory.tools) + _BLANK_LINE, False)
    yield Part(trajectory.instruction.strip(), False)


def render(
    trajectory: Trajectory,
    view: View,
    template: ChatTemplate,
    tokenizer: Tokenizer,
    transcript: View | None = None,
) -> Rendered | None:
    """Return all turns of a view in a trajectory as one sample, or None where it never speaks.

    Args:
        transcript: see `view_messages`.
    """
    pieces = template.pieces(view_messages(trajectory, view, transcript))
    last = max((i for i, piece in enumerate(pieces) if piece.trained), default=None)
    if last is None:
        return None
    pieces = pieces[: last + 1]
    ids, mask = encode_pieces(pieces, tokenizer)
    shared, _ = encode_pieces(pieces[:3], tokenizer)
    return Rendered(ids, mask, len(shared), pieces)


class Transcript:
    """One view's growing prompt in a running episode: every id is handed out once.

    The first `shared` of its ids are the system message, the same for all episodes of this
    view with these tools. The ids a role generated are in the transcript as they were
    generated, not as the tokenizer would write their text. `added` holds the pieces that the last
    `advance` appended.
    """

    def __init__(self, view: View, template: ChatTemplate, tokenizer: Tokenizer):
        self.view: View = view
        self.ids: list[int] = []
        self.shared = 0
        self.added: list[Piece] = []
        self._template = template
        self._tokenizer = tokenizer
        self._seen = 0

    def copy(self) -> "Transcript":
        """Return a transcript that grows apart from this one."""
        made = copy.copy(self)
        made.ids, made.added = list(self.ids), list(self.added)
        return made

    def advance(self, trajectory: Trajectory) -> list[int]:
        """Return the whole prompt's ids, now that the trajectory has grown and the view speaks."""
        messages = view_messages(trajectory, self.view)
        pieces = self._template.pieces(messages)
        if messages[-1].role == "assistant":
            # A role continues where another one stopped: no end of turn, a line break.
            pieces = [*pieces[:-1], Piece("\n", special=False, trained=False)]
        if not self._seen:
            self.shared = len(encode_pieces(pieces[:3], self._tokenizer)[0])
        self.added = pieces[self._seen :]
        new, _ = encode_pieces(self.added, self._tokenizer)
        self._seen = len(pieces)
        self.ids += new
        return self.ids

    def spoke(self, ids: Sequence[int]) -> None:
        """Append the view's own turn as it was generated, without its end-of-turn token."""
        self.ids += ids
        self._seen += 1


class ContextFull(Exception):
    """A transcript does not fit the context, even with its observations elided."""


class Transcripts:
    """What each view has read and said in an episode; its oldest observations elided if too long.

    Args:
        new: makes a view's transcript.
        n_ctx: tokens of the context.
    """

    def __init__(self, new: Callable[[View], Transcript], n_ctx: int):
        self._new = new
        self._n_ctx = n_ctx
        self._transcripts: dict[View, Transcript] = {}
        self._elided: dict[View, int] = {}
        self._last: dict[View, int] = {}

    def copy(self) -> "Transcripts":
        """Return transcripts that grow apart from these."""
        made = copy.copy(self)
        made._transcripts = {view: each.copy() for view, each in self._transcripts.items()}
        made._elided, made._last = dict(self._elided), dict(self._last)
        return made

    @property
    def elided(self) -> int:
        """Return the largest number of observations that a view no longer sees."""
        return max(self._elided.values(), default=0)

    def last(self, view: View) -> int | None:
        """Return the number of the turn whose prompt and text this view's prompt begins with."""
        return self._last.get(view)

    def advance(self, view: View, trajectory: Trajectory, max_tokens: int) -> Transcript:
        """Return the view's transcript, now that the trajectory has grown and the view speaks.

        Raises:
            ContextFull: it and a turn of `max_tokens` do not fit.
        """
        elided = self._elided.get(view, 0)
        transcript = self._transcripts.setdefault(view, self._new(view))
        ids = transcript.advance(_elide(trajectory, elided))
        observations = sum(isinstance(s, Observation) for s in trajectory.steps)
        while len(ids) + max_tokens > self._n_ctx:
            elided += 1
            # The newest one is kept: without it the role would not know what happened.
            if elided >= observations:
                raise ContextFull(
                    f"the {view}'s transcript of {len(ids)} tokens and a turn of {max_tokens} "
                    f"do not fit a context of {self._n_ctx}"
                )
            transcript = self._transcripts[view] = self._new(view)
            self._last.pop(view, None)
            self._elided[view] = elided
            ids = transcript.advance(_elide(trajectory, elided))
        return transcript

    def spoke(self, view: View, ids: tuple[int, ...], turn: int) -> None:
        """Append a turn as it was generated.

        Args:
            turn: its number in the trace.
        """
        self._transcripts[view].spoke(ids)
        self._last[view] = turn


def _elide(trajectory: Trajectory, count: int) -> Trajectory:
    """Return the trajectory with its first `count` observations' contents replaced."""
    steps: list[Step] = []
    for step in trajectory.steps:
        if isinstance(step, Observation) and count > 0:
            count -= 1
            step = step.model_copy(update={"content": ELIDED})
        steps.append(step)
    return trajectory.model_copy(update={"steps": tuple(steps)})
