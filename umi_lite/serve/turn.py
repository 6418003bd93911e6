"""A request as an episode: its task, its tools, and what it asks of the turns."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.episode import Episode
from umi_lite.agent.wanted import Wanted
from umi_lite.engine.language import callable_tools, grammar_error
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError, first_error
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.grammar import json_grammar
from umi_lite.protocol.prompts import ELIDED
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.schema import BadSchema, normalised
from umi_lite.protocol.trajectory import Observation, Step, Tool, Trajectory
from umi_lite.serve.errors import BadRequest
from umi_lite.serve.history import History, read_history
from umi_lite.serve.memory import Memory
from umi_lite.serve.request import AllowedTools, ChatRequest, NamedTool, ResponseFormat
from umi_lite.tools.search import index_of
from umi_lite.tools.tools import Toolbox

# A token has fewer in any text but long runs of spaces.
_CHARS_PER_TOKEN = 16
_ANY_OBJECT = {"type": "object", "additionalProperties": True}


@dataclass(frozen=True)
class Served:
    """What a server offers.

    Attributes:
        model: the name of the agent, as clients ask for it.
        toolbox: the server's tools, for requests without tools of their own.
        bounds, sampling: of requests that do not say otherwise.
        fingerprint: changes with the bundle.
        show_thoughts: send thoughts and tool turns as `reasoning_content`.
    """

    model: str
    engine: RoleEngine
    toolbox: Toolbox
    bounds: Bounds
    sampling: Sampling
    fingerprint: str = ""
    show_thoughts: bool = False


@dataclass(frozen=True)
class Turn:
    """One request, ready to run.

    Attributes:
        before: steps that the conversation had before this request.
        toolbox: None where the client runs the calls.
        check: of an answer by the request's schema, None if it has none.
    """

    request: ChatRequest
    history: History
    episode: Episode
    before: int
    toolbox: Toolbox | None
    check: Check | None


def make_turn(request: ChatRequest, served: Served, memory: Memory) -> Turn:
    """Return a request's episode.

    Raises:
        BadRequest: a field that cannot be honoured; it is named.
    """
    if request.model not in (None, served.model):
        raise BadRequest(
            f"model: unknown model {request.model!r}; {served.model!r} is served here",
            "model",
            status=404,
            code="model_not_found",
        )
    tools = _tools(request) if request.tools else served.toolbox.specs
    history = read_history(request.messages, memory, served.bounds.max_observation_chars)
    schema = _schema(request.response_format)
    trajectory = Trajectory(
        id=f"chatcmpl-{uuid4().hex}",
        source="serve",
        tools=tools,
        instruction=history.instruction,
        steps=_shortened(history, tools, served.engine.n_ctx),
        meta=request.labels,
    )
    wanted = _wanted(request, tools)
    if schema is not None:
        wanted = replace(wanted, answer=_grammar(schema))
    elif wanted.stops and (why := grammar_error(wanted.answer_grammar())) is not None:
        raise BadRequest(f"stop: no grammar can hold these texts: {why}", "stop")
    sampling = _sampling(request, served.sampling)
    index, pure = (None, ()) if request.tools else (index_of(served.toolbox), served.toolbox.pure)
    try:
        episode = Episode(
            trajectory,
            served.engine,
            served.bounds,
            sampling,
            wanted=wanted,
            index=index,
            pure=pure,
        )
    except UserError as err:
        raise BadRequest(f"tools: {err}", "tools") from None
    return Turn(
        request,
        history,
        episode,
        len(episode.trajectory.steps),
        None if request.tools else served.toolbox,
        None if schema is None else Check(schema),
    )


def _shortened(history: History, tools: tuple[Tool, ...], n_ctx: int) -> tuple[Step, ...]:
    """Return the steps, the oldest observations elided where they can never fit the context.

    The loop would do it, one by one and reading all of the text each time.

    Raises:
        BadRequest: what cannot be elided is too long.
    """
    room = _CHARS_PER_TOKEN * n_ctx
    sizes = [len(step_text(step, tools)) for step in history.steps]
    seen = [at for at, step in enumerate(history.steps) if isinstance(step, Observation)]
    whole = len(history.instruction) + sum(sizes)
    steps = list(history.steps)
    for at in seen[:-1]:
        if whole <= room:
            break
        whole -= sizes[at]
        steps[at] = Observation(content=ELIDED)
    if whole > room:
        message = f"messages: {whole} characters do not fit a context of {n_ctx} tokens"
        raise BadRequest(message, "messages", code="context_length_exceeded")
    return tuple(steps)


def _tools(request: ChatRequest) -> tuple[Tool, ...]:
    made: list[Tool] = []
    for at, entry in enumerate(request.tools):
        given, where = entry.function, f"tools.{at}.function"
        try:
            tool = Tool.model_validate(
                {
                    "name": given.name,
                    "description": given.description or "",
                    "parameters": given.parameters,
                }
            )
        except ValidationError as err:
            raise BadRequest(f"{where}.{first_error(err)}", where) from None
        if any(tool.name == other.name for other in made):
            raise BadRequest(f"{where}.name: two tools are named {tool.name!r}", f"{where}.name")
        _, refused = callable_tools([tool])
        if refused:
            raise BadRequest(f"{where}: {next(iter(refused.values()))}", where)
        made.append(tool)
    return tuple(made)


def _wanted(request: ChatRequest, tools: tuple[Tool, ...]) -> Wanted:
    made = Wanted(stops=request.stops, max_tokens=request.most_tokens)
    match request.tool_choice:
        case "auto":
            return made
        case "none":
            return replace(made, calls="never")
        case "required":
            return replace(made, calls="must")
        case NamedTool() as one:
            return replace(made, calls="must", tools=_known([one], tools))
        case AllowedTools() as some:
            known = _known(some.allowed_tools.tools, tools)
            calls = "must" if some.allowed_tools.mode == "required" else "may"
            return replace(made, calls=calls, tools=known)


def _known(named: list[NamedTool], tools: tuple[Tool, ...]) -> frozenset[str]:
    names = frozenset(one.function.name for one in named)
    unknown = sorted(names - {tool.name for tool in tools})
    if unknown:
        raise BadRequest(f"tool_choice: {unknown[0]!r} is not among the tools", "tool_choice")
    return names


def _sampling(request: ChatRequest, own: Sampling) -> Sampling:
    given: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
    try:
        return replace(own, **{key: value for key, value in given.items() if value is not None})
    except UserError as err:
        field = "seed" if str(err).startswith("seed") else "temperature"
        raise BadRequest(str(err), field) from None


def _schema(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the normalised schema of the answer, None for text."""
    if form is None or form.type == "text":
        return None
    if form.json_schema is None:
        return dict(_ANY_OBJECT)
    try:
        return normalised(form.json_schema.schema_)
    except BadSchema as err:
        raise BadRequest(f"response_format: {err}", "response_format") from None


def _grammar(schema: dict[str, Any]) -> str:
    try:
        grammar = json_grammar(schema, "response_format")
    except UserError as err:
        raise BadRequest(str(err), "response_format") from None
    if (why := grammar_error(grammar)) is not None:
        raise BadRequest(f"response_format: its schema cannot be used: {why}", "response_format")
    return grammar
