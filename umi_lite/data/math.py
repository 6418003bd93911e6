"""MATH (Hendrycks et al. 2021, MIT) as tasks for the Python tool: there are no public steps."""

from umi_lite.data.jsonl import BadRow, Row, checked, field, jsonl_rows
from umi_lite.data.loaded import Loaded, collect, outcomes
from umi_lite.data.place import Place, split_name
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.runtime.python_tool import SPEC

_BOXES = ("\\boxed", "\\fbox")


def questions(path: Place, n: int | None = None) -> Loaded:
    """Rows `{"problem", "level", "type", "solution"}` as tasks without steps, at most `n`.

    `gold` is what stands in the solution's last `\\boxed{}`; `meta` has `level` and `type`.

    Raises:
        UserError: the file cannot be read.
    """
    split = split_name(path)

    def parse(row: Row) -> Trajectory:
        value = checked(row)
        problem = field(value, "problem", str).strip()
        if not problem:
            raise BadRow("the problem is empty")
        gold = boxed(field(value, "solution", str))
        if not gold:
            raise BadRow("the solution has no \\boxed answer")
        kinds = {name: field(value, name, str) for name in ("level", "type") if name in value}
        return Trajectory(
            id=f"math-{split}-{row.number}",
            source="math",
            tools=(SPEC,),
            instruction=problem,
            gold=gold,
            meta={"record": row.number, "family": "math", "split": split, **kinds},
        )

    rows = jsonl_rows(path, "MATH rows with problem and solution")
    return collect(outcomes(rows, parse), n)


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}` (or `\fbox`, or `\boxed 5`), braces nested.

    None where there is none or its braces do not close.
    """
    at = max(text.rfind(box) for box in _BOXES)
    if at < 0:
        return None
    rest = text[at:].removeprefix("\\boxed").removeprefix("\\fbox")
    if not rest.lstrip().startswith("{"):
        words = rest.split("$")[0].split()
        return words[0].rstrip(".") if words else None
    rest = rest.lstrip()
    depth = 0
    for i, char in enumerate(rest):
        escaped = i > 0 and rest[i - 1] == "\\"
        depth += 0 if escaped else (char == "{") - (char == "}")
        if depth == 0:
            return rest[1:i].strip()
    return None
