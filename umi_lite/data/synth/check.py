"""Verifies a task by replaying it, and judges an agent's episode of it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from umi_lite.data.source import GIVE_UP
from umi_lite.data.synth.simulate import environment, plain, plain_call
from umi_lite.protocol.roles import dump_json, plain_text
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory
from umi_lite.tools.tools import ToolFunction

# The bounds of an episode by default (`agent.bounds`): what is longer could not be said or read.
_LONGEST_THOUGHT, _LONGEST_OBSERVATION = 400, 1024
# Of results that are free text, an answer repeats lines of names and numbers: at most these pieces,
# where an agent may say 96 tokens.
_LONGEST_ANSWER = 76
_PIECE = re.compile(r"[^\W\d_]{1,5}|\d|[^\w\s]|_")


def fault_of(task: Trajectory, functions: Mapping[str, ToolFunction] | None = None) -> str:
    """Return what is wrong with a task's gold steps, "" for nothing.

    They are replayed on fresh tools: each call must be of a tool offered and fit its schema, and
    give the same observation again; each value must be said by the instruction or an earlier
    observation; the answer must hold the gold.
    """
    box = environment(task, functions)
    instruction = " ".join(task.instruction.casefold().split())
    said = {(tool, name): text for tool, name, text in task.meta["said"]}
    schemas = {tool.name: tool.parameters.get("properties", {}) for tool in task.tools}
    seen: list[str] = []
    calls: list[Call] = []
    steps = task.steps
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, Plan) and len(step.thought) > _LONGEST_THOUGHT:
            return "a thought is too long"
        if not isinstance(step, Call):
            continue
        if step in calls:
            return "the same call twice"
        calls.append(step)
        if not isinstance(after, Observation) or box.call(step) != after:
            return "a call gave another result when it was replayed"
        if after.error and not any(fault.error == after.content for fault in box.faults):
            return f"a call failed: {after.content[:80]}"
        if len(after.content) > _LONGEST_OBSERVATION:
            return "an observation is too long"
        for name, value in step.arguments.items():
            if _constant(schemas[step.tool].get(name)):
                continue
            text = said.get((step.tool, name))
            words = None if text is None else " ".join(text.casefold().split()).removeprefix("the ")
            known = words is not None and words in instruction
            if not known and not any(_shown_in(value, one) for one in seen):
                return f"the instruction does not say the value of {name}"
        seen.append(after.content)
    if box.state() != task.meta["state"]:
        return "the tools were left in another state when it was replayed"
    if re.search(r"\{\w+\}", task.instruction):
        return "a slot of the wording has no value"
    if task.gold != GIVE_UP:
        answer = steps[-1]
        if not isinstance(answer, Answer) or not _holds(task, answer.text):
            return "the answer does not hold the gold"
        if task.meta["world"].get("free") and _pieces(answer.text) > _LONGEST_ANSWER:
            return "the answer is too long"
    return ""


def _pieces(text: str) -> int:
    """Return about the tokens of a text: five letters, a digit or a mark are one."""
    return len(_PIECE.findall(text))


def _constant(schema: Any) -> bool:
    return isinstance(schema, dict) and ("const" in schema or schema.get("type") == "null")


def _shown_in(value: Any, content: str) -> bool:
    text = plain_text(value)
    return text in content


def _holds(task: Trajectory, answer: str) -> bool:
    from umi_lite.evals.answers import holds_gold

    return holds_gold(task.gold or "", answer, task.instruction)


def judge(task: Trajectory, trace: Any, answer: str) -> str:
    """Return what is wrong with an episode's answer and calls, "" for nothing.

    The answer must hold the gold's values. Of the calls that succeeded, those of the gold must
    be among them, compared by `plain_call`; what changed something is compared by the tools'
    state (`evals.live`).
    """
    if not _holds(task, answer):
        return "the answer does not hold the gold"
    missing = Counter(_succeeded(task, task)) - Counter(_succeeded(task, trace.trajectory))
    return f"a call is missing or differs: {next(iter(missing))}" if missing else ""


def _succeeded(task: Trajectory, made: Trajectory) -> Iterator[str]:
    schemas = {tool.name: tool.parameters for tool in task.tools}
    for step, after in zip(made.steps, made.steps[1:], strict=False):
        if isinstance(step, Call) and isinstance(after, Observation) and not after.error:
            given = plain_call(step.arguments, schemas.get(step.tool, {}))
            yield f"{step.tool} {dump_json(plain(given))}"
