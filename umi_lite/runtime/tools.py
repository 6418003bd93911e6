"""Tools: plain Python functions that an agent may call."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from umi_lite.protocol.check import Check
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.roles import dump_json
from umi_lite.protocol.trajectory import Call, Observation, Tool
from umi_lite.protocol.values import object_of
from umi_lite.runtime.schema import parameters_schema, split_docstring


class ToolError(Exception):
    """A tool could not do what it was asked. The one-line message goes to the planner."""


@dataclass(frozen=True)
class ToolFunction:
    """A tool's description and the function that does it.

    `function` takes the arguments by name and returns text, or any JSON value, which is
    written as JSON.
    """

    spec: Tool
    function: Callable[..., Any]

    @cached_property
    def _check(self) -> Check:
        return Check(self.spec.parameters)

    def call(self, arguments: Mapping[str, Any]) -> str:
        """The tool's result as text.

        Raises:
            ToolError: the arguments break the schema (the message names the argument), or
                the function raised; one line.
        """
        given = _whole_numbers(arguments, self.spec.parameters)
        if (wrong := self._check.fault(given)) is not None:
            raise ToolError(wrong)
        try:
            result = self.function(**given)
            text = result if isinstance(result, str) else dump_json(result)
            # Half a surrogate pair could be neither tokenized nor written to a trace.
            return text.encode("utf-8", "replace").decode()
        except ToolError:
            raise
        except Exception as err:
            # Whatever a tool raises is an observation: the planner may try otherwise.
            raise ToolError(_one_line(f"{type(err).__name__}: {err}")) from err


def tool(function: Callable[..., Any], *, name: str | None = None) -> ToolFunction:
    """A tool from a function with type hints and a docstring.

    The docstring's first paragraph is the description, its Google-style `Args:` section
    describes the arguments. A bound method works: its object is the tool's state.

    Args:
        function: returns text or a JSON value.
        name: the tool's name, default the function's.

    Raises:
        UserError: no docstring, or a parameter that cannot be described (it is named).
    """
    label = name or function.__name__
    description, _ = split_docstring(inspect.getdoc(function) or "")
    if not description:
        raise UserError(
            f"tool {label}: the function has no docstring; a role must know what it does"
        )
    spec = Tool(name=label, description=description, parameters=parameters_schema(function))
    return ToolFunction(spec, function)


class Toolbox:
    """The tools of one agent, by name.

    Args:
        tools: each a ToolFunction, or a plain function that `tool` can describe.

    Raises:
        UserError: two tools share a name.
    """

    def __init__(self, tools: Iterable[ToolFunction | Callable[..., Any]] = ()):
        self._tools: dict[str, ToolFunction] = {}
        for entry in tools:
            made = entry if isinstance(entry, ToolFunction) else tool(entry)
            if made.spec.name in self._tools:
                raise UserError(f"two tools are named {made.spec.name!r}; names must differ")
            self._tools[made.spec.name] = made

    @property
    def specs(self) -> tuple[Tool, ...]:
        """What the roles may know of the tools, in the order they were given."""
        return tuple(made.spec for made in self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def call(self, call: Call) -> Observation:
        """Do the call. An unknown tool, bad arguments or an exception give `error=True`."""
        made = self._tools.get(call.tool)
        if made is None:
            known = ", ".join(self._tools) or "none"
            return Observation(content=f"no tool {call.tool!r}; there are: {known}", error=True)
        try:
            return Observation(content=made.call(call.arguments))
        except ToolError as err:
            return Observation(content=_one_line(str(err)), error=True)


def _whole_numbers(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has one kind of number: 3.0 is a whole one where the schema wants an integer."""
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


def _one_line(text: str) -> str:
    return " ".join(text.split())
