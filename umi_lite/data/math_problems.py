"""MATH problems as tasks, and ToRA-style solutions (Gou et al. 2024, MIT) with their programs.

A solution is rationale, program, its output, ..., answer. Each text before a program is the
planner's thought, the program the caller's, and the last text the thought and, its last
paragraph, the summarizer's answer. A solution without a program is a thought and an answer. The
programs are not run again: their output is the text after them.
"""

import re
from typing import Any

from umi_lite.data.boxed import boxed
from umi_lite.data.read_rows import jsonl_rows
from umi_lite.data.rows import (
    BadRow,
    Loaded,
    Place,
    Row,
    checked,
    collect,
    outcomes,
    split_name,
    stem,
    typed_field,
)
from umi_lite.data.source import CHATS, Source
from umi_lite.protocol.roles import PYTHON_TOOL
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory
from umi_lite.tools.python import with_python


def questions(path: Place, n: int | None = None) -> Loaded:
    """Return rows `{"problem", "level", "type", "solution"}` as tasks without steps, at most `n`.

    `gold` is the content of the solution's last `\\boxed{}`; `meta` has `level` and `type`.

    Raises:
        UserError: the file cannot be read.
    """
    split = split_name(path)

    def parse(row: Row) -> Trajectory:
        value = checked(row)
        problem = typed_field(value, "problem", str).strip()
        if not problem:
            raise BadRow("the problem is empty")
        gold = boxed(typed_field(value, "solution", str))
        if not gold:
            raise BadRow("the solution has no \\boxed answer")
        kinds = {name: typed_field(value, name, str) for name in ("level", "type") if name in value}
        return Trajectory(
            id=f"math-{split}-{row.number}",
            source="math",
            tools=(PYTHON_TOOL,),
            instruction=problem,
            gold=gold,
            meta={"record": row.number, "family": "math", "split": split, **kinds},
        )

    rows = jsonl_rows(path, "MATH rows with problem and solution")
    return collect(outcomes(rows, parse), n)


# A program and its output, each between fences on lines of their own.
_RUN = re.compile(
    r"^```python[ \t]*\n(?P<code>.*?)\n```[ \t]*\n+```output[ \t]*\n(?P<output>.*?)\n?^```[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_ERROR = re.compile(r"Traceback|\w*(?:Error|Exception)\b|[Tt]ime ?out")
_FIRST = "A program finds the answer."
_AGAIN = "Another program is needed."
_DONE = "The program's output answers the question."


def load(path: Place, n: int | None = None) -> Loaded:
    """Return rows `{"messages": [user, assistant]}` (or `problem`, `solution`), at most `n`.

    `gold` is the row's `gt` where it has one, else the content of the last `\\boxed{}`.

    Raises:
        UserError: the file cannot be read.
    """
    name, split = stem(path), split_name(path)

    def parse(row: Row) -> Trajectory:
        value = checked(row)
        question, solution = _texts(value)
        answer = boxed(solution)
        if answer is None:
            raise BadRow("the solution has no \\boxed answer")
        gold = typed_field(value, "gt", str) if value.get("gt") is not None else answer
        return Trajectory(
            id=f"tora-{name}-{row.number}",
            source="tora",
            tools=(PYTHON_TOOL,),
            instruction=question,
            steps=_steps(solution),
            gold=gold,
            meta={"record": row.number, "family": "math", "split": split},
        )

    rows = jsonl_rows(path, "ToRA-style rows with messages")
    return collect(outcomes(rows, parse), n)


def _texts(value: dict[str, Any]) -> tuple[str, str]:
    """Return question and solution."""
    if "messages" in value:
        said = [_message(message) for message in typed_field(value, "messages", list)]
        said = [(role, text) for role, text in said if role != "system"]
        if [role for role, _ in said] != ["user", "assistant"]:
            raise BadRow("the messages are not one of the user and one of the assistant")
        question, solution = (text for _, text in said)
    else:
        question, solution = typed_field(value, "problem", str), typed_field(value, "solution", str)
    if not question.strip():
        raise BadRow("the question is empty")
    return question.strip(), solution.strip()


def _message(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise BadRow("a message is not a JSON object")
    return typed_field(message, "role", str), typed_field(message, "content", str)


def _steps(solution: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    for run in _RUN.finditer(solution):
        thought = _prose(solution[at : run.start()])
        steps += (
            Plan(thought=thought or (_AGAIN if steps else _FIRST), next="caller"),
            Call(tool=PYTHON_TOOL.name, arguments={"code": run["code"]}),
            _observation(run["output"].strip("\n")),
        )
        at = run.end()
    last = _prose(solution[at:])
    if not last:
        raise BadRow("no text follows the last output")
    thought, _, answer = last.rpartition("\n\n")
    if not thought.strip() and not steps:
        # One paragraph: the planner's part is all but the sentence with the answer.
        thought, answer = _last_sentence(last)
    thought = thought.strip() or (_DONE if steps else "")
    if not thought:
        raise BadRow("the solution is an answer without a thought")
    return (*steps, Plan(thought=thought, next="summarizer"), Answer(text=answer.strip()))


def _prose(text: str) -> str:
    if "```" in text:
        raise BadRow("a program without an output, or an output without a program")
    return text.strip()


def _last_sentence(text: str) -> tuple[str, str]:
    ends = [found.end() for found in re.finditer(r"[.!?:]\s+(?=[A-Z])", text)]
    return (text[: ends[-1]], text[ends[-1] :]) if ends else ("", text)


def _observation(output: str) -> Observation:
    last = output.strip().rpartition("\n")[2]
    return Observation(content=output, error=_ERROR.match(last) is not None)


# Of ToRA's 30 examples: 785 characters in 258 tokens of SmolLM2, and 496 tokens. There are more.
_BOUNDS = {
    "max_thought_chars": 2000,
    "max_thought_tokens": 640,
    "max_call_tokens": 1024,
    "max_answer_tokens": 256,
}
MATH = Source(
    about="MATH problems as tasks for the Python tool, without steps (path, n)",
    questions=questions,
    tools=with_python,
    judge="umi_lite.evals.live:by_value",
    voting="umi_lite.evals.majority:VALUES",
    bounds=_BOUNDS,
    fits=lambda row: {"problem", "solution"} <= row.keys() and not row.keys() & CHATS,
)
TORA = Source(
    about="ToRA-style rationale, program, output and answer (path, n)",
    load=load,
    tools=with_python,
    judge="umi_lite.evals.live:by_value",
    voting="umi_lite.evals.majority:VALUES",
    bounds=_BOUNDS,
    fits=lambda row: all(mark in str(row.get("messages")) for mark in ("```python", "boxed")),
)
