"""Reads the tools of a row in the forms that data sets use."""

from typing import Any

from pydantic import ValidationError

from umi_lite.data.rows import BadRow
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.protocol.trajectory import Tool

# What OpenAI calls `parameters` is Anthropic's and MCP's word.
_PARAMETERS = ("parameters", "input_schema", "inputSchema")


def make_tool(name: Any, description: Any, parameters: Any) -> Tool:
    """Return a tool; its schema may be in any dialect that `protocol.schema` reads.

    Raises:
        BadRow: it has no name, or its parameters are not a schema; the message names the tool.
    """
    if not isinstance(name, str) or not name:
        raise BadRow("a tool has no name")
    if any(sign.isspace() for sign in name):
        raise BadRow(f"tool {name!r}: a call cannot name it, there is a space in its name")
    try:
        text = description if isinstance(description, str) else ""
        return Tool(name=name, description=text, parameters=parameters)
    except ValidationError as err:
        reason = err.errors()[0]["msg"].removeprefix("Value error, ")
        raise BadRow(f"tool {name}: {reason}") from None


def tools_of(given: Any) -> tuple[Tool, ...]:
    """Return the tools of a list as OpenAI has it, of one as JSON text, or of None.

    An entry is `{"type": "function", "function": {name, description, parameters}}`, or the
    function alone; `input_schema` may replace `parameters`.

    Raises:
        BadRow: it is not such a list, or two tools have one name.
    """
    found = json_value(given, "the tools")
    if found is None:
        return ()
    if not isinstance(found, list):
        raise BadRow(f"the tools must be a list, not {type(found).__name__}")
    tools = [_tool(entry) for entry in found if entry is not None]
    if len({tool.name for tool in tools}) < len(tools):
        raise BadRow("two tools have the same name")
    return tuple(tools)


def json_value(given: Any, what: str) -> Any:
    """Return a value that may be written as JSON text, as columns of a table often are.

    Raises:
        BadRow: the text is not JSON.
    """
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        return parse(given)
    except BadJson as err:
        raise BadRow(f"{what} are {err}") from None


def _tool(entry: Any) -> Tool:
    entry = json_value(entry, "the tools")
    if not isinstance(entry, dict):
        raise BadRow(f"a tool must be a JSON object, not {type(entry).__name__}")
    function = entry.get("function")
    if not isinstance(function, dict):
        function = entry
        if entry.get("type", "function") not in ("function", None) and "name" not in entry:
            raise BadRow(f"a tool of type {entry['type']!r} is not a function")
    given = next((function[key] for key in _PARAMETERS if function.get(key) is not None), None)
    parameters = json_value(given, "a tool's parameters")
    return make_tool(function.get("name"), function.get("description"), parameters)
