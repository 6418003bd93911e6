"""The gold of static evaluation: the planner's decisions in a file of dialogues.

A scored step is an assistant's turn that ends in `Next: caller.`, `Next: conclusion.` or
`Next: give up.` (α-UMi's intermediate form); an assistant's turn without the tag is history
only. What the step should have led to is the turn behind it: the caller's call, or the
conclusion. Where that turn is missing or is no call, the step has no gold call (no gold answer):
its decision is scored, what needs the call is not, and it is listed in `Gold.faults`.

A gold call of `invalid_hallucination_function_name`, the official mark of a call whose tool does
not exist, is a call like any other, as in the official evaluation: no tool of the list can match
it. (Training drops such steps.)
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from umi_lite.data.json_list import list_rows
from umi_lite.data.jsonl import BadRow, field
from umi_lite.data.toolbench import NEXT, NEXT_TAG, conversation_turns
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.trajectory import Next

GROUPS = ("split", "group")
"""Fields of a dialogue by which scores are given apart too, where it has them."""

_ACTION = re.compile(r"\s*Action:(.*?)(?:\n\s*Action Input:(.*))?\Z", re.DOTALL)


Place = tuple[int, int]
"""Dialogue and turn, both from 0."""


class Fault(NamedTuple):
    """What is wrong with a dialogue, or with one turn of it, both counted from 0."""

    dialogue: int
    turn: int | None
    reason: str


@dataclass(frozen=True)
class GoldStep:
    """One scored decision of the planner.

    Attributes:
        dialogue: the dialogue's place in the file, from 0.
        turn: the planner's turn in `conversations`, from 0.
        next: who should be next.
        tools: the names in the dialogue's tool list (the last 64 characters, as its docs).
        tool, arguments: the gold call's name and its JSON text, None where there is none.
        answer: the gold conclusion, None where there is none.
    """

    dialogue: int
    turn: int
    next: Next
    tools: frozenset[str]
    tool: str | None = None
    arguments: str | None = None
    answer: str | None = None

    @property
    def place(self) -> Place:
        return self.dialogue, self.turn


@dataclass(frozen=True)
class Dialogue:
    """A dialogue's scored steps, and its values of `GROUPS`."""

    index: int
    steps: tuple[GoldStep, ...]
    groups: dict[str, str]


@dataclass(frozen=True)
class Gold:
    """All dialogues of a file.

    Attributes:
        malformed: dialogues that cannot be read, so that nothing of them is scored.
        faults: scored steps without the call or the conclusion that they announce.
    """

    path: Path
    dialogues: tuple[Dialogue, ...]
    malformed: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def steps(self) -> tuple[GoldStep, ...]:
        return tuple(step for dialogue in self.dialogues for step in dialogue.steps)


def load_gold(path: Path | str, n: int | None = None) -> Gold:
    """The scored steps of a JSON list of `{tools, conversations}`, of its first `n` records.

    Raises:
        UserError: the file is missing or no JSON list, or there is nothing to score in it.
    """
    path = Path(path)
    dialogues: list[Dialogue] = []
    malformed: list[Fault] = []
    faults: list[Fault] = []
    for row in list_rows(path, "dialogues as prepared by α-UMi", ("tools", "conversations")):
        index = row.number - 1
        if n is not None and index >= n:
            break
        try:
            if row.value is None:
                raise BadRow(row.fault)
            dialogue, wrong = _dialogue(row.value, index)
        except BadRow as err:
            malformed.append(Fault(index, None, str(err)))
        else:
            dialogues.append(dialogue)
            faults += wrong
    gold = Gold(path, tuple(dialogues), tuple(malformed), tuple(faults))
    if not gold.steps:
        why = f" (dialogue {malformed[0].dialogue}: {malformed[0].reason})" if malformed else ""
        raise UserError(f"{path}: no assistant's turn ends in 'Next: ...', nothing to score{why}")
    return gold


def _dialogue(row: dict[str, Any], index: int) -> tuple[Dialogue, list[Fault]]:
    names = frozenset(_name(tool) for tool in field(row, "tools", list))
    turns = list(conversation_turns(field(row, "conversations", list)))
    steps: list[GoldStep] = []
    faults: list[Fault] = []
    for at, (who, text) in enumerate(turns):
        tag = NEXT_TAG.search(text) if who == "assistant" else None
        if tag is None:
            continue
        behind = turns[at + 1] if at + 1 < len(turns) else ("", "")
        step, reason = _step(GoldStep(index, at, NEXT[tag[1]], names), *behind)
        steps.append(step)
        if reason:
            faults.append(Fault(index, at, reason))
    groups = {name: field(row, name, str) for name in GROUPS if row.get(name) is not None}
    return Dialogue(index, tuple(steps), groups), faults


def _name(tool: Any) -> str:
    if not isinstance(tool, dict):
        raise BadRow("a tool is not a JSON object")
    return field(tool, "Name", str).strip()


def _step(step: GoldStep, who: str, text: str) -> tuple[GoldStep, str]:
    """The step with what the turn behind it says, or why that says nothing."""
    if step.next == "caller":
        if who != "caller":
            return step, "'Next: caller' without a caller's turn behind it"
        call = _ACTION.match(text)
        if call is None:
            return step, "the caller's turn has no 'Action:'"
        # As officially, a call without 'Action Input:' has no arguments.
        arguments = "{}" if call[2] is None else call[2]
        return replace(step, tool=call[1].strip(), arguments=arguments), ""
    if step.next == "summarizer":
        if who != "conclusion":
            return step, "'Next: conclusion' without a conclusion behind it"
        return replace(step, answer=text), ""
    return step, ""
