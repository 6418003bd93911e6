"""`Toolbox`, `ToolFunction` and `tool`: Python functions that an agent may call."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from umi_lite.errors import UserError
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.schema_parts import object_of
from umi_lite.protocol.trajectory import Call, Observation, Tool
from umi_lite.tools.callables import name_of
from umi_lite.tools.result_text import awaited, result_text
from umi_lite.tools.schema import Signature, read_signature


class ToolError(Exception):
    """A tool failed; the planner sees the one-line message."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ToolError:
    """Return the error for a name that is not there; it offers a close one where there is one."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return ToolError(f"unknown {kind} {name}" + (f", did you mean {close[0]}?" if close else ""))


@dataclass(frozen=True)
class ToolFunction:
    """A tool's description and its function.

    `function` takes the arguments by name and returns text, or any value, which is written as
    JSON. An `async def` is run to its end. `pure`: a call changes nothing, so that it may be made
    only to compare its result (`agent.votes`).
    """

    spec: Tool
    function: Callable[..., Any]
    pure: bool = False

    @cached_property
    def _check(self) -> Check:
        return Check(self.spec.parameters)

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Return the tool's result as text.

        Raises:
            ToolError: the arguments break the schema (the message names the argument), or
                the function raised; one line.
        """
        try:
            given = _whole_numbers(arguments, self.spec.parameters)
            if (wrong := self._check.fault(given)) is not None:
                raise ToolError(wrong)
            return result_text(awaited(self.function(**given)))
        except Exception as err:
            # A tool's exception is an observation: the planner may try something else.
            raise ToolError(_fault_text(err)) from err


def tool(
    function: Callable[..., Any], *, name: str | None = None, pure: bool = False
) -> ToolFunction:
    """Return a tool made from a function with type hints and a docstring.

    The docstring's first paragraph is the description; its notes on the parameters (Google, numpy
    or reST style) and `Annotated[int, Field(ge=1, description=…)]` describe the arguments. A
    bound method works (its object is the tool's state), and so do an `async def`, a cached
    function, `functools.partial` and an object with `__call__`.

    Args:
        function: returns text, or a value that is written as JSON.
        name: the tool's name, default the function's.
        pure: its calls change nothing.

    Raises:
        UserError: no docstring, or a parameter that cannot be described (it is named).
    """
    label = name or name_of(function)
    signature = read_signature(function, label)
    spec = Tool(name=label, description=signature.description, parameters=signature.parameters)
    if not signature.convert and not signature.fields:
        return ToolFunction(spec, function, pure)
    return ToolFunction(spec, _converting(function, signature), pure)


class Toolbox:
    """The tools of one agent, by name.

    Args:
        tools: each a ToolFunction, or a plain function that `tool` can describe.

    Raises:
        UserError: two tools share a name.
    """

    def __init__(self, tools: Iterable[ToolFunction | Callable[..., Any]] = ()):
        self._tools = _by_name(tools)

    def replace(self, tools: Iterable[ToolFunction | Callable[..., Any]]) -> None:
        """Offer other tools from now on, all at once: calls may be running in other threads.

        Raises:
            UserError: two tools share a name; the tools are then unchanged.
        """
        self._tools = _by_name(tools)

    @property
    def specs(self) -> tuple[Tool, ...]:
        """Return the tools' descriptions, in the order they were given."""
        return tuple(made.spec for made in self._tools.values())

    @property
    def functions(self) -> tuple[ToolFunction, ...]:
        """Return the tools with their functions, in the order they were given."""
        return tuple(self._tools.values())

    @property
    def pure(self) -> frozenset[str]:
        """Return the names of the tools whose calls change nothing."""
        return frozenset(name for name, made in self._tools.items() if made.pure)

    def __len__(self) -> int:
        return len(self._tools)

    def call(self, call: Call) -> Observation:
        """Run the call. An unknown tool, bad arguments or an exception give `error=True`."""
        made = self._tools.get(call.tool)
        if made is None:
            known = ", ".join(self._tools) or "none"
            return Observation(content=f"no tool {call.tool!r}; there are: {known}", error=True)
        try:
            return Observation(content=made.call(call.arguments))
        except ToolError as err:
            return Observation(content=str(err), error=True)


def _by_name(tools: Iterable[ToolFunction | Callable[..., Any]]) -> dict[str, ToolFunction]:
    made: dict[str, ToolFunction] = {}
    for entry in tools:
        one = entry if isinstance(entry, ToolFunction) else tool(entry)
        if one.spec.name in made:
            raise UserError(f"two tools are named {one.spec.name!r}; names must differ")
        made[one.spec.name] = one
    return made


def _whole_numbers(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert floats such as 3.0 to int where the schema requires an integer."""
    properties = schema.get("properties", {})
    whole = {
        name
        for name, part in properties.items()
        if (object_of(part) or {}).get("type") == "integer"
    }
    return {
        key: int(value)
        if isinstance(value, float) and value.is_integer() and key in whole
        else value
        for key, value in arguments.items()
    }


def _converting(function: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
    """Return a wrapper that converts JSON arguments to the function's types."""

    def called(**given: Any) -> Any:
        arguments = {
            name: _default(field) for name, field in signature.fields.items() if name not in given
        }
        for name, value in given.items():
            convert = signature.convert.get(name)
            try:
                made = value if convert is None else convert(value)
            except ValidationError as err:
                first = err.errors(include_url=False)[0]
                at = ".".join(map(str, (name, *first["loc"])))
                raise ToolError(f"{at}: {first['msg']}") from err
            # A float parameter takes 2 unchanged, as it does without conversion.
            arguments[name] = value if (type(value), type(made)) == (int, float) else made
        return function(**arguments)

    return called


def _default(field: FieldInfo) -> Any:
    factory: Any = field.default_factory
    return field.default if factory is None else factory()


def _fault_text(err: Exception) -> str:
    """Return the error on one line, even if `str` of the exception raises."""
    try:
        said = _one_line(str(err))
    except Exception:
        said = ""
    if isinstance(err, ToolError):
        return said or "the tool failed"
    return f"{type(err).__name__}: {said}" if said else type(err).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())
