"""The Python tool: runs a program in the sandbox."""

from umi_lite.protocol.trajectory import Tool
from umi_lite.runtime.tools import ToolError, ToolFunction
from umi_lite.sandbox.python import Limits, run_python

SPEC = Tool(
    name="python",
    description="Run a Python program; gives what it prints or its last expression's value.",
    parameters={
        "type": "object",
        "properties": {"code": {"type": "string", "description": "the program"}},
        "required": ["code"],
        "additionalProperties": False,
    },
)


def python_tool(limits: Limits | None = None) -> ToolFunction:
    """The tool `python(code)`, within the sandbox's limits (default `Limits()`).

    Its result is what the program printed, then the value of its last expression.
    A program that raises, is stopped, or gives neither is a ToolError.
    """

    def python(code: str) -> str:
        result = run_python(code, limits)
        shown = [text for text in (result.stdout.strip(), result.value) if text]
        if result.status != "ok":
            raise ToolError("\n".join([*shown[:1], result.error or result.status]))
        if not shown:
            raise ToolError("the program gave no output; print the result")
        return "\n".join(shown)

    return ToolFunction(SPEC, python)
