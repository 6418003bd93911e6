"""The body of a chat request: every field is honoured, or refused by name."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.data.strict_json import BadJson, parse
from umi_lite.errors import error_line
from umi_lite.serve.errors import BadRequest

_Text = Annotated[str, Field(min_length=1)]
# Fields of OpenAI's API and of other servers that nothing here can honour, and why; their value
# may be the one that says the same as leaving them out.
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "one answer is given; send the request several times"),
    "top_p": ((1,), "tokens are sampled by temperature alone; 1 is possible"),
    "presence_penalty": ((0,), "only 0 is possible"),
    "frequency_penalty": ((0,), "only 0 is possible"),
    "logit_bias": (({},), "only {} is possible"),
    "logprobs": ((False,), "no log probabilities are given"),
    "top_logprobs": ((0,), "no log probabilities are given"),
    "modalities": ((["text"],), "there is text only"),
    "service_tier": (("auto", "default"), "there is one tier"),
    "functions": ((), "use tools"),
    "function_call": ((), "use tool_choice"),
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Function(_Model):
    name: _Text
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None  # calls fit their schema in either case


class _Tool(_Model):
    type: Literal["function"]
    function: _Function


class _Name(_Model):
    name: _Text


class NamedTool(_Model):
    """`{"type": "function", "function": {"name": …}}`."""

    type: Literal["function"]
    function: _Name


class _Allowed(_Model):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1)]


class AllowedTools(_Model):
    """`{"type": "allowed_tools", "allowed_tools": {"mode": …, "tools": […]}}`."""

    type: Literal["allowed_tools"]
    allowed_tools: _Allowed


class _Schema(_Model):
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None  # answers fit the schema in either case


class ResponseFormat(_Model):
    """`text`, `json_object`, or `json_schema` with a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class StreamOptions(_Model):
    """`include_usage`: a last chunk with the usage."""

    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None


class ChatRequest(_Model):
    """What a client asks for.

    Attributes:
        parallel_tool_calls: there is one call at a time in either case.
        max_tokens, max_completion_tokens: the tokens of all roles' turns together.
        store: False keeps the trace out of the server's store.
        metadata, user, safety_identifier, prompt_cache_key: kept in the trace's meta.
    """

    model: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    tools: list[_Tool] = []
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools = "auto"
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    stop: _Text | Annotated[list[_Text], Field(max_length=4)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Return the stop texts."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def most_tokens(self) -> int | None:
        """Return the limit on the tokens of all turns."""
        given = (self.max_tokens, self.max_completion_tokens)
        return min((most for most in given if most is not None), default=None)

    @property
    def labels(self) -> dict[str, Any]:
        """Return what is kept in the trace's meta."""
        names = ("metadata", "user", "safety_identifier", "prompt_cache_key")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def parse_request(body: bytes | bytearray) -> ChatRequest:
    """Return a chat request from its JSON.

    Null fields are as if left out.

    Raises:
        BadRequest: it is not JSON, or a field that is unknown, wrong, or cannot be honoured.
    """
    try:
        given = parse(body.decode("utf-8"))
    except (UnicodeDecodeError, BadJson) as err:
        why = str(err) if isinstance(err, BadJson) else "not UTF-8 text"
        raise BadRequest(f"the body cannot be read: {why}") from None
    if not isinstance(given, dict):
        raise BadRequest("the body must be a JSON object")
    given = {name: value for name, value in given.items() if value is not None}
    for name, (same, why) in _REFUSED.items():
        if name in given and given.pop(name) not in same:
            raise BadRequest(f"{name}: {why}", name)
    try:
        made = ChatRequest.model_validate(given)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        path = _path(first["loc"], given)
        where = ".".join(map(str, path))
        if first["type"] == "extra_forbidden":
            message = f"{where}: unknown field; it cannot be honoured"
        else:
            message = error_line({**first, "loc": path})
        raise BadRequest(message, where) from None
    _check(made)
    return made


def _path(loc: Sequence[str | int], given: Any) -> tuple[str | int, ...]:
    """Return the place of an error in the request: pydantic's has the alternatives' names too."""
    path: list[str | int] = []
    for at, part in enumerate(loc):
        try:
            given = given[part]
        except (KeyError, IndexError, TypeError):
            if not (isinstance(given, dict) and at == len(loc) - 1):
                continue
        path.append(part)
    return tuple(path)


def _check(request: ChatRequest) -> None:
    """Check what fields say together.

    Raises:
        BadRequest: they exclude each other.
    """
    form = request.response_format
    if form is not None and (form.type == "json_schema") != (form.json_schema is not None):
        raise BadRequest(
            "response_format.json_schema: it goes with type json_schema, and only with it",
            "response_format.json_schema",
        )
    if request.stops and form is not None and form.type != "text":
        raise BadRequest("stop: it would cut an answer in JSON; leave it out", "stop")
    if request.stream_options is not None and not request.stream:
        raise BadRequest("stream_options: it needs stream: true", "stream_options")
    if not request.tools and request.tool_choice not in ("auto", "none"):
        raise BadRequest("tool_choice: there are no tools in the request", "tool_choice")
