"""The one data model that crosses every border: a tool-using episode.

A source yields trajectories, the renderer turns them into prompts, the loop grows one step
by step, and a trace is a trajectory again.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from umi_lite.protocol.schema import normalised

Next = Literal["caller", "summarizer", "give_up"]
Role = Literal["planner", "caller", "summarizer"]
View = Literal["backbone", "planner", "caller", "summarizer"]
# Where an adapter is active: at every token, or only where its role speaks.
Acts = Literal["always", "own turns"]
ROLES: tuple[Role, ...] = get_args(Role)
VIEWS: tuple[View, ...] = get_args(View)
NEXTS: tuple[Next, ...] = get_args(Next)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tool(_Model):
    """What a role may know of a tool. `parameters` is a JSON Schema of type object.

    It may be given in any of the dialects that `schema.normalised` reads.
    """

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})

    @field_validator("parameters", mode="before")
    @classmethod
    def _normalised(cls, value: Any) -> dict[str, Any]:
        return normalised(value)


class _Turn(_Model):
    """What a role says. `trained` false keeps it as context: it is read, never learned."""

    trained: bool = Field(default=True, exclude_if=lambda trained: trained)


class User(_Model):
    """A further turn of the user. The first one is the trajectory's `instruction`."""

    kind: Literal["user"] = "user"
    text: str


class Plan(_Turn):
    """The planner's turn. `next` is None where the source names no next speaker.

    `source_text` keeps what the source wrote, for styles that reproduce it byte for byte.
    """

    kind: Literal["plan"] = "plan"
    thought: str
    next: Next | None
    source_text: str | None = None


class Call(_Turn):
    """The caller's turn: one tool and its arguments."""

    kind: Literal["call"] = "call"
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    source_text: str | None = None


class Observation(_Model):
    """What the tool answered. `error` is true where it raised or refused."""

    kind: Literal["observation"] = "observation"
    content: str
    error: bool = False


class Offer(_Model):
    """Tools that can be called from here on, besides those of the trajectory.

    Before a user's text, or after the result of a search over tools (`agent.offers`). Offers that
    begin the steps are read before the instruction.
    """

    kind: Literal["offer"] = "offer"
    tools: tuple[Tool, ...]


class Answer(_Turn):
    """The summarizer's turn, and the end of the episode."""

    kind: Literal["answer"] = "answer"
    text: str


Step = Annotated[User | Plan | Call | Observation | Offer | Answer, Field(discriminator="kind")]
# What the roles read and none of them says.
HEARD = (User, Observation, Offer)


class Trajectory(_Model):
    """One episode. `gold` is the verifiable answer, None where there is none to verify.

    `tools` are those of the system message; `offered` has those of the steps too. `meta` holds
    what a source wants to remember (family, split, expected tool state); no role ever sees it.
    """

    id: str
    source: str
    tools: tuple[Tool, ...] = ()
    instruction: str
    steps: tuple[Step, ...] = ()
    gold: str | None = None
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def offered(self) -> tuple[Tool, ...]:
        """Return all tools that the roles were shown, in that order."""
        steps = (step for step in self.steps if isinstance(step, Offer))
        return (*self.tools, *(tool for step in steps for tool in step.tools))

    def with_step(self, step: Step) -> "Trajectory":
        """Return a copy with one more step."""
        return self.model_copy(update={"steps": (*self.steps, step)})

    def done(self) -> list[tuple[Call, Observation]]:
        """Return the calls since the user last spoke, each with its observation."""
        done: list[tuple[Call, Observation]] = []
        for step, after in pairwise(self.steps):
            if isinstance(after, User):
                done.clear()
            elif isinstance(step, Call) and isinstance(after, Observation):
                done.append((step, after))
        return done
