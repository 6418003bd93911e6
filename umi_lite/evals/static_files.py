"""Files of static evaluation: gold dialogues and predictions.

A scored step is an assistant's turn that ends in `Next: caller.`, `Next: conclusion.` or
`Next: give up.` (α-UMi's intermediate form); an assistant's turn without the tag is history
only. What the step should have led to is the turn after it: the caller's call, or the
conclusion. If that turn is missing or not a call, the step has no gold call (no gold answer): its
decision is scored, metrics that need the call are not, and it is listed in `Gold.faults`.

A gold call of `invalid_hallucination_function_name`, the official mark of a call whose tool does
not exist, is a call like any other, as in the official evaluation: no tool of the list can match
it. (Training drops such steps.)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from umi_lite.data.read_rows import jsonl_rows, list_rows
from umi_lite.data.rows import BadRow, typed_field
from umi_lite.data.toolbench import NEXT, NEXT_TAG, conversation_turns
from umi_lite.errors import UserError, first_error
from umi_lite.files import write_text
from umi_lite.protocol.trajectory import Next

GROUPS = ("split", "group")
"""Fields of a dialogue by which scores are also given separately, where it has them."""

_ACTION = re.compile(r"\s*Action:(.*?)(?:\n\s*Action Input:(.*))?\Z", re.DOTALL)


Place = tuple[int, int]
"""Dialogue and turn, both from 0."""


class Fault(NamedTuple):
    """A fault of a dialogue, or of one turn of it, both counted from 0."""

    dialogue: int
    turn: int | None
    reason: str


@dataclass(frozen=True)
class GoldStep:
    """One scored decision of the planner.

    Attributes:
        dialogue: the dialogue's index in the file, from 0.
        turn: the planner's turn in `conversations`, from 0.
        next: who should be next.
        tools: the names in the dialogue's tool list (the last 64 characters, as its docs).
        tool, arguments: the gold call's name and its JSON text, or None.
        answer: the gold conclusion, or None.
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
        malformed: dialogues that cannot be read and are not scored.
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
    """Return the scored steps of a JSON list of `{tools, conversations}`, of its first `n` records.

    Raises:
        UserError: the file is missing or not a JSON list, or has nothing to score.
    """
    path = Path(path)
    dialogues: list[Dialogue] = []
    malformed: list[Fault] = []
    faults: list[Fault] = []
    for row in list_rows(path, "dialogues as prepared by α-UMi"):
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
    names = frozenset(_name(tool) for tool in typed_field(row, "tools", list))
    turns = list(conversation_turns(typed_field(row, "conversations", list)))
    steps: list[GoldStep] = []
    faults: list[Fault] = []
    for at, (who, text) in enumerate(turns):
        tag = NEXT_TAG.search(text) if who == "assistant" else None
        if tag is None:
            continue
        after = turns[at + 1] if at + 1 < len(turns) else ("", "")
        step, reason = _step(GoldStep(index, at, NEXT[tag[1]], names), *after)
        steps.append(step)
        if reason:
            faults.append(Fault(index, at, reason))
    groups = {name: typed_field(row, name, str) for name in GROUPS if row.get(name) is not None}
    return Dialogue(index, tuple(steps), groups), faults


def _name(tool: Any) -> str:
    if not isinstance(tool, dict):
        raise BadRow("a tool is not a JSON object")
    return typed_field(tool, "Name", str).strip()


def _step(step: GoldStep, who: str, text: str) -> tuple[GoldStep, str]:
    """Return the step with what the turn after it says, and that turn's fault, or ""."""
    if step.next == "caller":
        if who != "caller":
            return step, "'Next: caller' without a caller's turn after it"
        call = _ACTION.match(text)
        if call is None:
            return step, "the caller's turn has no 'Action:'"
        # As officially, a call without 'Action Input:' has no arguments.
        arguments = "{}" if call[2] is None else call[2]
        return replace(step, tool=call[1].strip(), arguments=arguments), ""
    if step.next == "summarizer":
        if who != "conclusion":
            return step, "'Next: conclusion' without a conclusion after it"
        return replace(step, answer=text), ""
    return step, ""


class Prediction(BaseModel):
    """What a system said at one gold step.

    Attributes:
        next: who is next; `none` if the system named none of them.
        tool: the name it called, as written; None (or `none`) if it made no call.
        arguments: the call's arguments, as JSON text or as the object; None is a call without.
        answer: its answer, or None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dialogue: int
    turn: int
    next: Literal["caller", "summarizer", "give_up", "none"]
    tool: str | None = None
    arguments: str | dict[str, Any] | None = None
    answer: str | None = None

    @property
    def place(self) -> Place:
        return self.dialogue, self.turn


def read_predictions(path: Path | str, gold: Gold) -> dict[Place, Prediction]:
    """Return the predictions of a file by place; steps that it lacks are not in the result.

    Raises:
        UserError: the file cannot be read; a line is not a prediction, names a place that is not
            a scored step, or one that an earlier line named.
    """
    places = {step.place for step in gold.steps}
    found: dict[Place, Prediction] = {}
    lines: dict[Place, int] = {}
    for row in jsonl_rows(Path(path), "predictions, a JSON object a line"):
        if row.value is None:
            raise UserError(f"{row.where}: {row.fault}; a prediction is a JSON object")
        try:
            made = Prediction.model_validate(row.value)
        except ValidationError as err:
            raise UserError(
                f"{row.where}: {first_error(err, 'the line')}; a prediction has the keys "
                f"{', '.join(Prediction.model_fields)}"
            ) from None
        if made.place not in places:
            raise UserError(f"{row.where}: {_no_step(made.place, gold)}")
        if made.place in found:
            raise UserError(
                f"{row.where}: dialogue {made.dialogue}, turn {made.turn} was predicted in line "
                f"{lines[made.place]} already; a step has one prediction"
            )
        found[made.place], lines[made.place] = made, row.number
    return found


def write_predictions(path: Path, predictions: Mapping[Place, Prediction]) -> None:
    """Write predictions to a file, sorted by place, wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(predictions.values(), key=lambda made: made.place)
    write_text(path, "".join(f"{made.model_dump_json()}\n" for made in ordered))


def _no_step(place: Place, gold: Gold) -> str:
    index, turn = place
    for fault in gold.malformed:
        if fault.dialogue == index:
            return f"dialogue {index} of {gold.path} cannot be read: {fault.reason}"
    for dialogue in gold.dialogues:
        if dialogue.index == index:
            turns = ", ".join(str(step.turn) for step in dialogue.steps) or "none"
            return f"turn {turn} of dialogue {index} is not a scored step; those are {turns}"
    known = len(gold.dialogues) + len(gold.malformed)
    return f"dialogue {index} does not exist; {gold.path} has {known}, counted from 0"
