"""Predictions for static evaluation: a JSON line for each gold step, in any order.

`{"dialogue": index, "turn": index of the gold planner turn in conversations, "next": "caller |
summarizer | give_up | none", "tool": str | null, "arguments": str | object | null, "answer": str |
null}`, both indices from 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from umi_lite.data.jsonl import jsonl_rows
from umi_lite.evals.static_gold import Gold, Place
from umi_lite.files import write_text
from umi_lite.protocol.errors import UserError


class Prediction(BaseModel):
    """What a system said at one gold step.

    Attributes:
        next: who is next; `none` where the system named nobody.
        tool: the name it called, as written; None (or `none`) where it made no call.
        arguments: the call's arguments, as JSON text or as the object; None is a call without.
        answer: its answer, None where it gave none.
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
    """The predictions of a file by their place. Steps that it lacks are not in the result.

    Raises:
        UserError: the file cannot be read; a line is no prediction, names a place that is no
            scored step, or one that an earlier line named.
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
            raise UserError(f"{row.where}: {_first(err)}") from None
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
    """Write them to a file, sorted by place; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(predictions.values(), key=lambda made: made.place)
    write_text(path, "".join(f"{made.model_dump_json()}\n" for made in ordered))


def _first(err: ValidationError) -> str:
    """The first of pydantic's complaints, on one line."""
    fault = err.errors(include_url=False, include_context=False)[0]
    where = fault["loc"][0] if fault["loc"] else "the line"
    if fault["type"] == "missing":
        return f"no field {where!r}"
    if fault["type"] == "extra_forbidden":
        return f"unknown field {where!r}; there are {', '.join(Prediction.model_fields)}"
    return f"{where!r}: {' '.join(fault['msg'].split())}, not {fault['input']!r}"


def _no_step(place: Place, gold: Gold) -> str:
    index, turn = place
    for fault in gold.malformed:
        if fault.dialogue == index:
            return f"dialogue {index} of {gold.path} cannot be read: {fault.reason}"
    for dialogue in gold.dialogues:
        if dialogue.index == index:
            turns = ", ".join(str(step.turn) for step in dialogue.steps) or "none"
            return f"turn {turn} of dialogue {index} is no scored step; those are {turns}"
    known = len(gold.dialogues) + len(gold.malformed)
    return f"there is no dialogue {index}; {gold.path} has {known}, counted from 0"
