"""ToolBench's raw answer trees (`answer/G1_answer/*.json`), by α-UMi's rules.

The rules are those of the official first step (X-PLUG/Multi-LLM-Agent, snapshot f9eeef7,
GLPFT/process_data/toolbench/prepro_raw_stage_1.py): the last of `train_messages` is the dialogue,
each function but `Finish` a tool, with its name's last 64 characters, its description's first
256 and each argument's last 256. A tree becomes a record of the intermediate form, so that both
sources give the same trajectory. That form does not say which arguments are required.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umi_lite.data.leaks import read_excluded
from umi_lite.data.read_rows import jsonl_rows
from umi_lite.data.rows import (
    BadRow,
    HubData,
    Loaded,
    Place,
    Row,
    checked,
    collect,
    make_row,
    outcomes,
    typed_field,
)
from umi_lite.data.source import Source
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.data.toolbench import trajectory
from umi_lite.data.window import opened
from umi_lite.errors import UserError
from umi_lite.protocol.paper import DESCRIPTION_CHARS, tool_name
from umi_lite.protocol.trajectory import Trajectory

_WHAT = "a raw ToolBench answer tree, or a folder of them,"


def load(
    path: Place,
    n: int | None = None,
    exclude: Path | str | None = None,
    *,
    keep_bad_arguments: bool = False,
) -> Loaded:
    """Return the trajectories of a file or of a folder's files, in the names' order, at most `n`.

    One file is held at a time. `meta` has the `query_id`, which is the number that the file's
    name begins with, and ToolBench's own verdict `win`.

    Args:
        path: a tree, or a folder with trees in it or in its folders (`G1_answer`, ...).
        exclude: a file or folder of test query ids, or of test instructions.
        keep_bad_arguments: as in `toolbench.load`.

    Raises:
        UserError: the file is missing, or the folder has none.
    """
    excluded = read_excluded(exclude)

    def parse_tree(row: Row) -> Trajectory:
        tree = checked(row)
        query_id = _query_id(row.where)
        record = intermediate(tree)
        excluded.check(query_id, record["instruction"])
        name = f"toolbench-raw-{query_id or row.number}"
        meta = {"record": row.number, "query_id": query_id, "win": tree.get("win")}
        return trajectory(record, name, meta, keep_bad_arguments)

    return collect(outcomes(_rows(path), parse_tree), n)


def intermediate(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree as a record `{tools, instruction, chains}`.

    Raises:
        BadRow: it is not an answer tree, or not one to learn from.
    """
    answer = typed_field(tree, "answer_generation", dict)
    if answer.get("valid_data") is False:
        raise BadRow("ToolBench marks the tree as not valid (valid_data)")
    if not answer.get("train_messages"):
        raise BadRow("the tree has no train_messages")
    chains = typed_field(answer, "train_messages", list)[-1]
    if not isinstance(chains, list):
        raise BadRow("'train_messages' must be a list of lists")
    functions = typed_field(answer, "function", list)
    return {
        "tools": [_tool(f) for f in functions if not _is_finish(f)],
        "instruction": typed_field(answer, "query", str),
        "chains": chains,
    }


def _is_finish(function: Any) -> bool:
    return isinstance(function, dict) and function.get("name") == "Finish"


def _tool(function: Any) -> dict[str, Any]:
    if not isinstance(function, dict):
        raise BadRow("a function is not a JSON object")
    properties = typed_field(typed_field(function, "parameters", dict), "properties", dict)
    return {
        "Name": tool_name(typed_field(function, "name", str)),
        "function": typed_field(function, "description", str)[:DESCRIPTION_CHARS],
        "input": {name: _argument(argument) for name, argument in properties.items()},
    }


def _argument(argument: Any) -> str:
    if not isinstance(argument, dict):
        raise BadRow("an argument of a function is not a JSON object")
    kind = typed_field(argument, "type", str)
    if "description" not in argument:
        return kind
    return f"{kind}, {typed_field(argument, 'description', str)[-DESCRIPTION_CHARS:]}"


def _query_id(where: str) -> str | None:
    """Return the number at the head of the file's name; None where there is none."""
    number = Path(where).name.partition("_")[0]
    return number if number.isdecimal() else None


def _rows(place: Place) -> Iterator[Row]:
    if isinstance(place, HubData):
        yield from jsonl_rows(place, _WHAT)
        return
    path = Path(place)
    if path.is_dir():
        # Hidden files may be half written.
        files = sorted(f for f in path.rglob("*.json") if not f.name.startswith("."))
        if not files:
            raise UserError(f"{path}: no .json file in this folder; {_WHAT} is expected")
    else:
        files = [path]
    for number, file in enumerate(files, start=1):
        yield _row(file, number)


def _row(file: Path, number: int) -> Row:
    with opened(file, _WHAT) as tree:
        data = tree.read()
    try:
        made = make_row(file, number, parse(data.decode("utf-8")))
    except UnicodeDecodeError:
        made = Row(str(file), number, None, "not UTF-8 text")
    except BadJson as err:
        made = Row(str(file), number, None, str(err))
    return Row(str(file), number, made.value, made.fault)


SOURCE = Source(
    about="ToolBench's raw answer trees, a file each (path, n, exclude)",
    load=load,
    fits=lambda row: "answer_generation" in row,
)
