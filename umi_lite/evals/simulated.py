"""Tools simulated by another LLM from their documentation.

ToolAlpaca's APIs do not exist: in its evaluation an LLM answers in their place (Tang et al., arXiv
2306.05301, section 3.3), and so it does here, with another prompt. The traces are for a judge
(`evals.judge`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace, check_place
from umi_lite.engine.client import TIMEOUT, Endpoint
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.judge import reply
from umi_lite.evals.live import Result, play
from umi_lite.protocol.roles import dump_json, tool_line
from umi_lite.protocol.trajectory import Tool, Trajectory
from umi_lite.tools.tools import Toolbox, ToolFunction

# As long as in the official evaluation of ToolBench (`evals.teacher`): a judge needs full answers.
ANSWERING = replace(
    BOUNDS,
    max_thought_chars=2000,
    max_thought_tokens=512,
    max_call_tokens=512,
    max_answer_tokens=512,
)
_MOST_TOKENS = 512
_PROMPT = """\
You play a REST API whose functions are described below. Answer the request as that API would, \
with made-up but plausible data that agrees with the requests before.

- Where a necessary parameter is missing or makes no sense, answer with status 400 and say which.
- `getDetails` is \
no function of the API: there you play the user, and answer the question from \
the user's instruction, with made-up details where it has none.
- Write one line and nothing else: Status Code: <code>. Response: <JSON or text>

## Functions
{functions}

## The user's instruction
{instruction}

## Requests before
{before}

## Request
{request}
"""


class Simulator:
    """Plays tools at an OpenAI-compatible endpoint, greedily; the key is read from OPENAI_API_KEY.

    `failure` is the endpoint's first error, or None.
    """

    def __init__(self, endpoint: Endpoint, *, retries: int = 4, timeout: float = TIMEOUT):
        self.failure: str | None = None
        self._endpoint = endpoint
        self._timeout = timeout
        self._client = endpoint.client(timeout, max_retries=retries)

    def toolbox(self, task: Trajectory) -> Toolbox:
        """Return the task's tools for one episode, whose requests the simulator remembers."""
        before: list[str] = []
        return Toolbox(
            ToolFunction(tool, partial(self._answer, task, before, tool)) for tool in task.tools
        )

    def _answer(self, task: Trajectory, before: list[str], tool: Tool, /, **arguments: Any) -> str:
        import openai

        request = f"{tool.name} {dump_json(arguments)}"
        prompt = _PROMPT.format(
            functions="\n".join(map(tool_line, task.tools)),
            instruction=task.instruction,
            before="\n".join(before) or "(none)",
            request=request,
        )
        try:
            sampling = {"temperature": 0.0, "max_tokens": _MOST_TOKENS}
            said = reply(self._client, self._endpoint.model, prompt, **sampling)
        except openai.OpenAIError as err:
            self.failure = self.failure or str(self._endpoint.failure(err, self._timeout))
            raise
        text = " ".join(said.split())
        before.append(f"{request}\n{text}")
        return text


def play_simulated(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    simulator: Simulator,
    out: Path,
    *,
    bounds: Bounds = ANSWERING,
    sampling: Sampling | None = None,
    on_end: Callable[[], None] | None = None,
) -> int:
    """Run the tasks on simulated tools; each trace goes to `out/<id>.json` as its episode ends.

    A task whose trace exists already is not run again.

    Args:
        on_end: called as each episode ends.

    Returns:
        The number of episodes that were run.

    Raises:
        UserError: no task, a folder that cannot be written, or the endpoint fails. Earlier
            episodes are kept.
    """
    if not tasks:
        raise UserError("no task to run; ask for at least one")
    check_place(_trace(out, tasks[0]))
    todo = [task for task in tasks if not _trace(out, task).is_file()]

    def ended(at: int, trace: Trace, _: Result) -> None:
        if simulator.failure:
            raise UserError(f"the simulator's endpoint fails: {simulator.failure}")
        if trace.broke_off:
            return
        trace.save(_trace(out, todo[at]))
        if on_end is not None:
            on_end()

    play(
        engine,
        todo,
        ended,
        bounds=bounds,
        sampling=sampling,
        environment=simulator.toolbox,
    )
    return len(todo)


def _trace(out: Path, task: Trajectory) -> Path:
    return out / f"{task.id}.json"
