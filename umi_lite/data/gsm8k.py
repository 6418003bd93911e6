"""GSM8K (openai/grade-school-math, MIT), its solutions as plans, programs and answers.

A solution's calculator notes become the planner's plan and the caller's Python program
(`gsm8k_notes.py`). Every program is run, all in one sandboxed process, and a row is kept only
where its program prints the gold answer.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from umi_lite.data.gsm8k_notes import BadNotes, Derived, derive
from umi_lite.data.read_rows import jsonl_rows
from umi_lite.data.rows import BadRow, Dropped, Loaded, Place, Row, checked, split_name, typed_field
from umi_lite.data.source import CHATS, Source
from umi_lite.errors import UserError
from umi_lite.protocol.roles import PYTHON_TOOL
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory
from umi_lite.sandbox.python import Limits, run_python
from umi_lite.tools.python import with_python

_DONE = (
    "The program printed the answer.",
    "The program ran and its last line is what was asked for.",
    "The output answers the question; nothing is left to work out.",
    "1 of 1 calls done: the result can be told.",
)
_BATCH = 8000


@dataclass(frozen=True)
class _Problem:
    row: Row
    question: str
    gold: str
    derived: Derived


def load(path: Place, n: int | None = None) -> Loaded:
    """Return rows `{"question", "answer"}` as trajectories, at most `n`, in the file's order.

    `gold` is the number after `####`, commas left out; `meta.record` the line, from 1.

    Args:
        path: train.jsonl or test.jsonl of GSM8K, or the hub's openai/gsm8k.

    Raises:
        UserError: the file cannot be read.
    """
    # A few rows more than are wanted: about one in twelve is dropped.
    return _take(path, n, _with_steps, lambda wanted: wanted + wanted // 10 + 8)


def questions(path: Place, n: int | None = None) -> Loaded:
    """Return the rows as tasks without steps: none is dropped for what its solution lacks.

    Raises:
        UserError: the file cannot be read.
    """
    return _take(path, n, _questions, lambda wanted: wanted)


def _take(
    path: Place,
    n: int | None,
    make: Callable[[Place, list[Row]], Iterator[Trajectory | Dropped]],
    rows_for: Callable[[int], int],
) -> Loaded:
    loaded = Loaded([], [])
    rows = jsonl_rows(path, "GSM8K rows with question and answer")
    while n is None or len(loaded.trajectories) < n:
        batch = list(islice(rows, _BATCH if n is None else rows_for(n - len(loaded.trajectories))))
        if not batch:
            break
        for outcome in make(path, batch):
            if isinstance(outcome, Dropped):
                loaded.dropped.append(outcome)
            else:
                loaded.trajectories.append(outcome)
            if len(loaded.trajectories) == n:
                return loaded
    return loaded


def _parse(row: Row) -> tuple[str, str, str]:
    """Return question, solution and gold answer."""
    value = checked(row)
    question, answer = typed_field(value, "question", str), typed_field(value, "answer", str)
    solution, mark, gold = answer.rpartition("####")
    gold = gold.strip().replace(",", "")
    if not mark or not _is_number(gold):
        raise BadRow("the answer does not end with '#### number'")
    if not question.strip():
        raise BadRow("the question is empty")
    return question.strip(), solution, gold


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _questions(path: Place, rows: list[Row]) -> Iterator[Trajectory | Dropped]:
    for row in rows:
        try:
            question, _, gold = _parse(row)
        except BadRow as err:
            yield Dropped(row.where, str(err))
        else:
            yield _trajectory(path, row, question, gold, ())


def _with_steps(path: Place, rows: list[Row]) -> Iterator[Trajectory | Dropped]:
    problems: list[_Problem | Dropped] = []
    for row in rows:
        try:
            question, solution, gold = _parse(row)
            problems.append(_Problem(row, question, gold, derive(question, solution)))
        except (BadRow, BadNotes) as err:
            problems.append(Dropped(row.where, str(err)))
    printed = iter(run_together([p.derived.program for p in problems if isinstance(p, _Problem)]))
    for problem in problems:
        if isinstance(problem, Dropped):
            yield problem
            continue
        output = next(printed)
        if output is None:
            yield Dropped(problem.row.where, "the program raises")
        elif not _is_number(output) or float(output) != float(problem.gold):
            yield Dropped(problem.row.where, "the program prints another number than the answer")
        else:
            yield _trajectory(
                path, problem.row, problem.question, problem.gold, _steps(problem, output)
            )


def _steps(problem: _Problem, output: str) -> tuple[Step, ...]:
    return (
        Plan(thought=problem.derived.plan, next="caller"),
        Call(tool=PYTHON_TOOL.name, arguments={"code": problem.derived.program}),
        Observation(content=output),
        Plan(thought=_DONE[problem.row.number % len(_DONE)], next="summarizer"),
        Answer(text=f"The answer is {problem.gold}."),
    )


def _trajectory(
    path: Place, row: Row, question: str, gold: str, steps: tuple[Step, ...]
) -> Trajectory:
    split = split_name(path)
    meta: dict[str, Any] = {"record": row.number, "family": "gsm8k", "split": split}
    return Trajectory(
        id=f"gsm8k-{split}-{row.number}",
        source="gsm8k",
        tools=(PYTHON_TOOL,),
        instruction=question,
        steps=steps,
        gold=gold,
        meta=meta,
    )


_LIMITS = Limits(seconds=60.0, cpu_seconds=60.0, output_chars=4_000_000)
_RUNNER = """\
import contextlib, io, json
results = []
for program in json.loads({programs!r}):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(program, "<program>", "exec"), {{"__name__": "__main__"}})
        results.append(out.getvalue().strip())
    except Exception as error:
        results.append(None)
print(json.dumps(results))
"""


def run_together(programs: Sequence[str]) -> list[str | None]:
    """Return what each program prints, as the Python tool would; None where it raises.

    All run one after the other in one sandboxed process. So they could disturb each other:
    only for programs that we derived ourselves.

    Raises:
        UserError: this machine has no sandbox.
        RuntimeError: the process did not come to its end (60 s, 512 MiB).
    """
    result = run_python(_RUNNER.format(programs=json.dumps(list(programs))), _LIMITS)
    if result.status == "refused":
        raise UserError(str(result.error))
    if result.status != "ok":
        raise RuntimeError(f"the batch of {len(programs)} programs failed: {result.error}")
    return json.loads(result.stdout)


SOURCE = Source(
    about="GSM8K's train.jsonl or test.jsonl as Python-tool trajectories (path, n)",
    load=load,
    questions=questions,
    tools=with_python,
    judge="umi_lite.evals.live:by_number",
    voting="umi_lite.evals.majority:NUMBERS",
    # Its longest thought has 1,160 characters in 288 tokens of SmolLM2, whose vocabulary is small;
    # its longest program 129 tokens.
    bounds={"max_thought_chars": 1200, "max_thought_tokens": 320, "max_call_tokens": 160},
    fits=lambda row: {"question", "answer"} <= row.keys() and not row.keys() & CHATS,
)
