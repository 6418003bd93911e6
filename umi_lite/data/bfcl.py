"""BFCL, the Berkeley Function Calling Leaderboard: tasks of the package `bfcl-eval`, never trained.

Patil et al., "The Berkeley Function Calling Leaderboard" (ICML 2025), version 4, Apache-2.0. The
package is installed by the user, without its dependencies; nothing of it is copied here.
"""

import importlib.util
import json
import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from umi_lite.data.rows import Loaded
from umi_lite.data.source import Source
from umi_lite.data.tool_specs import make_tool
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Tool, Trajectory, User

INSTALL = "pip install --no-deps bfcl-eval==2026.3.23"
SINGLE_TURN = (
    *("simple_python", "simple_java", "simple_javascript"),
    *("multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
    *("live_relevance", "live_irrelevance"),
)
MULTI_TURN = ("multi_turn_base",)
CATEGORIES = (*SINGLE_TURN, *MULTI_TURN)
# Three of simple_java's 100 possible answers cannot be written so that the checker reads them.
DEFAULT = tuple(category for category in SINGLE_TURN if category != "simple_java")
_LANGUAGE = {"simple_java": "Java", "simple_javascript": "JavaScript"}
# The world of each class that a multi-turn task may involve, by its file of function docs.
_DOCS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}


def package() -> Path | None:
    """Return the folder of the package `bfcl_eval`, None where it is not installed."""
    spec = importlib.util.find_spec("bfcl_eval")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) if folders else None


def tasks(split: str, n: int | None = None, seed: int = 0) -> Loaded:
    """Return the tasks of a category, in its order.

    `meta.split` is the category, `meta.entry` the package's own record and `meta.answers` its
    possible answers (None where a category has none). A system message begins the instruction.
    In simple_java and simple_javascript every argument is a text, an expression of that language.
    The instruction of a multi-turn task is its first turn; `meta.turns` holds all of them.

    Args:
        split: the category, one of `CATEGORIES`.
        n: maximum number of tasks, drawn by `seed`; None takes all.

    Raises:
        UserError: no such category, or the package is not installed.
    """
    if split not in CATEGORIES:
        raise UserError(f"bfcl has no category {split!r}; there are {', '.join(CATEGORIES)}")
    folder = package()
    if folder is None:
        raise UserError(f"BFCL's data is not installed: {INSTALL}")
    entries = _lines(folder, split)
    answers = {row["id"]: row["ground_truth"] for row in _lines(folder, split, "possible_answer")}
    if n is not None and n < len(entries):
        drawn = random.Random(f"{split}:{seed}").sample(range(len(entries)), n)
        entries = [entries[at] for at in sorted(drawn)]
    return Loaded([_task(entry, answers.get(entry["id"]), split, folder) for entry in entries])


def held_out() -> list[Trajectory]:
    """Return the instructions of all categories, without tools; none without the package."""
    folder = package()
    return [] if folder is None else list(_instructions(folder))


def _instructions(folder: Path) -> Iterator[Trajectory]:
    for category in CATEGORIES:
        for entry in _lines(folder, category):
            for number, messages in enumerate(entry["question"]):
                said = [message["content"] for message in messages if message["role"] == "user"]
                for text in {*said, "\n\n".join(said)}:
                    name = entry["id"] if not number else f"{entry['id']}.{number}"
                    yield Trajectory(id=name, source="bfcl", instruction=text)


def _lines(folder: Path, category: str, below: str = "") -> list[dict[str, Any]]:
    path = folder / "data" / below / f"BFCL_v4_{category}.json"
    if below and not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read ({err}); reinstall it: {INSTALL}") from None


def _task(entry: dict[str, Any], answers: Any, category: str, folder: Path) -> Trajectory:
    turns = [_steps(messages) for messages in entry["question"]]
    first, *history = turns[0]
    meta: dict[str, Any] = {"split": category, "entry": entry, "answers": answers}
    if category in MULTI_TURN:
        meta["turns"] = [turn[-1].text for turn in turns if isinstance(turn[-1], User)]
        functions = _world_functions(entry, folder)
    else:
        functions = entry["function"]
    return Trajectory(
        id=entry["id"],
        source="bfcl",
        tools=tuple(_tool(function, _LANGUAGE.get(category)) for function in functions),
        instruction=first.text,
        steps=tuple(history),
        meta=meta,
    )


def _steps(messages: Sequence[dict[str, str]]) -> list[User | Answer]:
    """Return a turn's messages as steps; neighbouring ones of one side are one step."""
    steps: list[User | Answer] = []
    for answered, group in groupby(messages, lambda message: message["role"] == "assistant"):
        text = "\n\n".join(message["content"] for message in group)
        steps.append(Answer(text=text, trained=False) if answered else User(text=text))
    return steps


def _tool(function: dict[str, Any], language: str | None) -> Tool:
    parameters = function["parameters"]
    if language is not None:
        properties = {
            name: _expression(part, language) for name, part in parameters["properties"].items()
        }
        parameters = {**parameters, "properties": properties}
    return make_tool(function["name"], function.get("description"), parameters)


def _expression(part: dict[str, Any], language: str) -> dict[str, Any]:
    """Return an argument of Java or JavaScript as the leaderboard asks for it: as source text."""
    kind = "" if part["type"] == "any" else f" {part['type']}"
    inner = (part.get("items") or {}).get("type")
    inside = "" if inner is None else f" of {inner}"
    if "properties" in part:
        inside = f" with {json.dumps(part['properties'])}"
    note = f"{part.get('description', '')} A {language}{kind}{inside} expression, as text."
    return {"type": "string", "description": note.strip()}


def _world_functions(entry: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    left_out = entry.get("excluded_function", [])
    found: list[dict[str, Any]] = []
    for name in entry["involved_classes"]:
        path = folder / "data" / "multi_turn_func_doc" / f"{_DOCS[name]}.json"
        with path.open(encoding="utf-8") as file:
            found += [json.loads(line) for line in file]
    return [function for function in found if function["name"] not in left_out]


SOURCE = Source(
    about="BFCL's tasks by category, never trained: umi eval bfcl (split, n, seed)",
    questions=tasks,
    # Its answers make up to 8 calls in a turn, and one has 300 tokens.
    bounds={"max_calls": 10, "max_call_tokens": 384},
)
