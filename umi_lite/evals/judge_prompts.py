"""Prompts for a judge about an episode, and the parsing of its replies.

`toolalpaca_prompt` has the guidelines and the answer form of ToolAlpaca's evaluation (Tang et al.,
arXiv 2306.05301; github.com/tangqiaoyu/ToolAlpaca, Apache-2.0), reworded. The other two ask what
ToolEval asks (Qin et al., arXiv 2307.16789): is the instruction done, and which of two answers is
better.
"""

import json
import re
from typing import Any

from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Tool, Trajectory, User

NO_ANSWER = "(none was given)"

_TOOLALPACA = """\
You are given the documentation of a REST API, a task instruction, a standard answer, and the \
solution of an AI assistant. Judge whether the solution agrees with the standard answer.

Guidelines:
1. Judge two things: the process (the function calls), and the final response.
2. The process is held against the standard answer:
 - The standard answer has only function names and parameters; the solution also has what the \
functions returned. Calls may be adapted to that: a retry after an error, a call of `getDetails` \
for more information, a call of `retrievalDataFromFile` where a return was too long.
 - Calls of functions that have nothing to do with the task are not allowed.
 - Every step of the standard answer must be in the solution.
 - Necessary parameters must agree with the standard answer. Parameters that the instruction \
does not mention may differ.
3. The final response must sum up the whole of the calls rightly and be a reasonable response to \
the instruction.
4. First analyse the whole solution by these guidelines, then give the results, in this form:
## Analysis
(your analysis)
## Results
Process Correctness: one of [Yes, No, Uncertain]
Final Response Correctness: one of [Yes, No, Uncertain]

## Documentation
{documentation}

## Task Instruction
{instruction}

## Standard Answer
{golden}

## AI Assistant's Solution
{solution}

## Analysis
"""

_PASS = """\
You are given an instruction, and what an AI assistant with tools did about it. Judge whether its \
final answer does what the instruction asks.

- Solved: the final answer gives all that was asked for, and what the tools returned bears it out.
- Unsolved: it is missing, wrong, made up, an apology, or leaves out a part of what was asked.
- Unsure: this cannot be told from what you see.

Write your reasons, then one last line of this form:
Verdict: one of [Solved, Unsolved, Unsure]

## Instruction
{instruction}

## What the assistant did
{solution}
"""

_WIN = """\
You are given an instruction, and what two AI assistants with tools did about it. Judge which of \
them served the user better. Count first whether the instruction was done, then how much of the \
final answer the tools' returns bear out, then needless or failed calls. The order in which the \
two are shown means nothing.

Write your reasons, then one last line of this form:
Better: one of [1, 2, Tie]

## Instruction
{instruction}

## Assistant 1
{first}

## Assistant 2
{second}
"""


def toolalpaca_prompt(trajectory: Trajectory) -> str:
    """Return the prompt on an episode's process and answer against `meta["golden"]`.

    `golden` is a list of calls `{"tool": str, "arguments": object}`.

    Raises:
        UserError: there is no such list.
    """
    return _TOOLALPACA.format(
        documentation="\n".join(_documented(tool) for tool in trajectory.offered),
        instruction=trajectory.instruction,
        golden=_golden(trajectory),
        solution=solution(trajectory),
    )


def pass_prompt(trajectory: Trajectory) -> str:
    """Return the prompt that asks whether an episode did its instruction."""
    return _PASS.format(instruction=trajectory.instruction, solution=solution(trajectory))


def win_prompt(first: Trajectory, second: Trajectory) -> str:
    """Return the prompt that asks which of two episodes is better, shown in this order."""
    return _WIN.format(
        instruction=first.instruction, first=solution(first), second=solution(second)
    )


def solution(trajectory: Trajectory) -> str:
    """Return the numbered calls with their results, and the final response, without thoughts."""
    lines: list[str] = []
    number = 1
    for step in trajectory.steps:
        if isinstance(step, Call):
            lines.append(f"{number}. {_call(step.tool, step.arguments)}")
            number += 1
        elif isinstance(step, Observation):
            lines.append(f"Returns: {step.content}")
        elif isinstance(step, User):
            lines.append(f"User: {step.text}")
        elif isinstance(step, Plan) and step.next == "give_up":
            lines.append("The assistant gave up.")
    lines.append(f"{number}. Final Response: {final_answer(trajectory) or NO_ANSWER}")
    return "\n".join(lines)


def final_answer(trajectory: Trajectory) -> str:
    """Return the answer's text, or "" if the episode ended without one."""
    last = trajectory.steps[-1] if trajectory.steps else None
    return last.text.strip() if isinstance(last, Answer) else ""


def read_toolalpaca(reply: str) -> tuple[str | None, str | None]:
    """Return the votes on process and response: `yes`, `no`, `uncertain` or None."""
    choices = "yes|no|uncertain"
    response = _last(rf"final response correctness{_SEPARATOR}({choices})\b", reply)
    return _last(rf"process correctness{_SEPARATOR}({choices})\b", reply), response


def read_pass(reply: str) -> str | None:
    """Return `solved`, `unsolved` or `unsure`; None if the reply has no verdict."""
    return _last(rf"verdict{_SEPARATOR}(solved|unsolved|unsure)\b", reply)


def read_win(reply: str) -> str | None:
    """Return `1`, `2` or `tie`; None if the reply has no verdict."""
    return _last(rf"better{_SEPARATOR}(?:assistant )?(1|2|tie)\b", reply)


# A colon, with whatever bold or blanks a model writes around it.
_SEPARATOR = r"[\s*_]*:[\s*_\[]*"


def _last(pattern: str, text: str) -> str | None:
    """Return the last match: models weigh first and conclude last."""
    found = re.findall(pattern, text, re.IGNORECASE)
    return found[-1].lower() if found else None


def _documented(tool: Tool) -> str:
    parameters = json.dumps(tool.parameters.get("properties", {}), ensure_ascii=False)
    return f"{tool.name}: {tool.description}\nParameters: {parameters}"


def _golden(trajectory: Trajectory) -> str:
    golden = trajectory.meta.get("golden")
    if not isinstance(golden, list) or not all(
        isinstance(call, dict) and isinstance(call.get("tool"), str) for call in golden
    ):
        raise UserError(
            f'{trajectory.id}: meta["golden"] must be a list of calls {{"tool", "arguments"}}; '
            "judge episodes of the source toolalpaca"
        )
    calls = [_call(call["tool"], call.get("arguments", {})) for call in golden]
    return "\n".join(f"{number}. {call}" for number, call in enumerate(calls, start=1))


def _call(tool: str, arguments: Any) -> str:
    given = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"Function: {tool}\nParameters: {given}"
