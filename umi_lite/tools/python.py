"""The Python tool, which runs programs in the sandbox."""

import weakref

from umi_lite.protocol.roles import PYTHON_TOOL
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.sandbox.python import Limits, sandbox
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction

_LOST = "the variables of earlier programs are lost"


def python_tool(limits: Limits | None = None, *, session: bool = False) -> ToolFunction:
    """Return the tool `python(code)`, within the sandbox's limits (default `Limits()`).

    Its result is the program's output, then the value of its last expression.
    A program that raises, is stopped, or has neither output nor value is a ToolError.

    Args:
        session: programs share variables while the tool exists (give each episode its own
            tool). Default: each program runs in a fresh process.

    Raises:
        UserError: this machine cannot run the sandbox; the message says what is missing.
    """
    sandbox().start()
    shared = sandbox().session(limits) if session else None

    def python(code: str) -> str:
        result = sandbox().run(code, limits) if shared is None else shared.run(code)
        shown = [text for text in (result.stdout.strip(), result.value) if text]
        lost = [_LOST] if result.state_lost else []
        if result.status != "ok":
            raise ToolError("\n".join([*shown[:1], result.error or result.status, *lost]))
        if not shown:
            raise ToolError("\n".join(["the program gave no output; print the result", *lost]))
        return "\n".join([*shown, *lost])

    if shared is not None:
        weakref.finalize(python, shared.close)
    return ToolFunction(PYTHON_TOOL, python, pure=not session)


def with_python(task: Trajectory | None) -> Toolbox:
    """Return the Python tool alone: the tools of a task that a program solves."""
    return Toolbox([python_tool()])
