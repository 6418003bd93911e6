"""α-UMi's training samples `{tools, history, input, target}`, put together into trajectories.

A sample is one step with all that came before it. The samples of a dialogue begin with the same
turns, so the longest one holds the dialogue: whole, where it ends with the conclusion or with
"give up". A planner's file alone lacks the conclusions: it is read together with the others.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.data.leaks import Excluded, read_excluded
from umi_lite.data.read_rows import list_rows
from umi_lite.data.rows import (
    BadRow,
    Dropped,
    HubData,
    Loaded,
    Place,
    Row,
    checked,
    collect,
    typed_field,
)
from umi_lite.data.source import Source
from umi_lite.data.toolbench import trajectory
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "α-UMi's training samples"
_ACTION = re.compile(r"\n(Action: .*?\nAction Input: .*)\Z", re.DOTALL)
_ANSWER = re.compile(r"\nconclusion: (.*)\Z", re.DOTALL)
_OPEN = "the samples end at a call or at the word to conclude: what came then is in none of them"
Turn = dict[str, str]


@dataclass
class _Dialogue:
    """The longest sample of a dialogue so far, and the rows of all of them."""

    tools: list[Any]
    turns: list[Turn]
    wheres: list[str]


def load(
    path: Place,
    n: int | None = None,
    exclude: Path | str | None = None,
    *,
    keep_bad_arguments: bool = False,
) -> Loaded:
    """Return the dialogues of the samples, at most `n`, in the order in which they first appear.

    `meta.samples` counts the samples that were put together. All of them are read first, and
    each dialogue's turns held once.

    Args:
        path: a samples file, or a folder of them (backbone, planner, caller, summarizer),
            which are read together.
        exclude: a file of test instructions that are kept out.
        keep_bad_arguments: as in `toolbench.load`.

    Raises:
        UserError: the file is missing, or is not a JSON list.
    """
    excluded = read_excluded(exclude)
    gathered = _Gathered()
    made: list[Trajectory | Dropped] = []
    for row in _rows(path):
        try:
            record = checked(row)
            gathered.add(typed_field(record, "tools", list), _turns(record), row.where)
        except BadRow as err:
            made.append(Dropped(row.where, str(err)))
    for number, dialogue in enumerate(gathered.dialogues(), start=1):
        made += _outcome(dialogue, number, excluded, keep_bad_arguments)
    return collect(made, n)


def _outcome(
    dialogue: _Dialogue, number: int, excluded: Excluded, keep: bool
) -> list[Trajectory] | list[Dropped]:
    last = dialogue.turns[-1]
    try:
        if last["from"] != "conclusion" and "Next: give up." not in last["value"]:
            raise BadRow(_OPEN)
        record = {"tools": dialogue.tools, "conversations": dialogue.turns}
        meta = {"record": number, "samples": len(dialogue.wheres)}
        made = trajectory(record, f"toolbench-samples-{number}", meta, keep)
        excluded.check(None, made.instruction)
    except BadRow as err:
        return [Dropped(where, str(err)) for where in dialogue.wheres]
    return [made]


def _turns(record: dict[str, Any]) -> list[Turn]:
    """Return the sample's history and what its target adds to it."""
    history = [_turn(turn) for turn in typed_field(record, "history", list)]
    prompt, target = typed_field(record, "input", str), typed_field(record, "target", str)
    if not history:
        raise BadRow("the history is empty")
    if prompt.endswith(" caller: "):
        return [*history, {"from": "caller", "value": target}]
    if prompt.endswith(" conclusion: "):
        return [*history, {"from": "conclusion", "value": target}]
    if not prompt.endswith(" assistant: "):
        raise BadRow("the prompt ends with no speaker's name")
    if "followed by Next:" in prompt:
        return [*history, {"from": "assistant", "value": target}]
    return [*history, *_backbone(target)]


def _turn(turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise BadRow("a turn is not a JSON object")
    return {"from": typed_field(turn, "from", str), "value": typed_field(turn, "value", str)}


def _backbone(target: str) -> list[Turn]:
    """Return the backbone's one turn as the planner's and the caller's or summarizer's."""
    if action := _ACTION.search(target):
        thought, turn = target[: action.start()], {"from": "caller", "value": action[1]}
        return [_plan(thought, "caller"), turn]
    answer = _ANSWER.search(target)
    if answer is None:
        raise BadRow("the target has neither an action nor a conclusion")
    thought = target[: answer.start()]
    if answer[1] == "give up.":
        return [_plan(thought, "give up")]
    return [_plan(thought, "conclusion"), {"from": "conclusion", "value": answer[1]}]


def _plan(thought: str, after: str) -> Turn:
    text = f"{thought}\n" if thought else ""
    return {"from": "assistant", "value": f"{text} Next: {after}."}


class _Gathered:
    """Dialogues by all their beginnings."""

    def __init__(self) -> None:
        self._of: dict[bytes, int] = {}
        self._dialogues: dict[int, _Dialogue] = {}

    def dialogues(self) -> list[_Dialogue]:
        return list(self._dialogues.values())

    def add(self, tools: list[Any], turns: list[Turn], where: str) -> None:
        keys = list(_keys(tools, turns))
        known = self._of.get(keys[-1])
        if known is not None:
            # Another sample of this dialogue went further.
            self._dialogues[known].wheres.append(where)
            return
        at = next((self._of[key] for key in reversed(keys) if key in self._of), None)
        if at is None or not self._goes_on(at, keys, len(turns)):
            at = len(self._dialogues)
            self._dialogues[at] = _Dialogue(tools, turns, [])
        dialogue = self._dialogues[at]
        dialogue.turns = turns
        dialogue.wheres.append(where)
        self._of.update(dict.fromkeys(keys, at))

    def _goes_on(self, at: int, keys: list[bytes], length: int) -> bool:
        """True if the stored part of a dialogue is the beginning of this sample."""
        held = self._dialogues[at]
        return len(held.turns) < length and keys[len(held.turns)] in self._of


def _keys(tools: list[Any], turns: list[Turn]) -> Iterator[bytes]:
    """Return a key for the tools and for each beginning of the turns, whatever their blanks."""
    digest = hashlib.sha256(json.dumps(tools, sort_keys=True).encode())
    yield digest.digest()
    for turn in turns:
        digest.update(json.dumps([turn["from"], turn["value"].split()]).encode())
        yield digest.digest()


def _rows(place: Place) -> Iterator[Row]:
    if isinstance(place, HubData):
        yield from list_rows(place, _WHAT)
        return
    path = Path(place)
    files = list(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no .json file in this folder; {_WHAT} are expected")
    # The backbone's turns, last: they lack a blank line that the others have.
    files.sort(key=lambda file: ("backbone" in file.name, file.name))
    for file in files:
        yield from list_rows(file, _WHAT)


SOURCE = Source(
    about="α-UMi's training samples, put together again (path, n, exclude)",
    load=load,
    fits=lambda row: {"history", "target"} <= row.keys(),
)
