"""Grades a file of predictions."""

import json
from collections.abc import Iterator
from pathlib import Path

from umi_lite.data.place import opened
from umi_lite.evals.grading import equal, grader
from umi_lite.protocol.errors import UserError

_EXPECTED = '{"pred": text, number or null, "gold": text or number} is expected'


def grades(path: Path) -> Iterator[bool]:
    """Is `pred` the gold answer, a line `{"pred", "gold"}` each, in order (blank lines left out)?

    Both are a solution or a bare answer, as text or as a JSON number. A `pred` that is null or
    anything else is no answer.

    Raises:
        UserError: the file cannot be read, or a line of it is not such a pair: before the first
            line is graded. Also as `equal`.
    """
    pairs = list(_pairs(path))
    grader().start()
    return (pred is not None and equal(pred, gold) for pred, gold in pairs)


def _pairs(path: Path) -> Iterator[tuple[str | None, str]]:
    with opened(path, 'lines {"pred": …, "gold": …}') as file:
        lines = file.read().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            # Numbers as they are written: 0.50 is not made 0.5, and none is too long.
            row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise UserError(f"{path}:{number}: not JSON; {_EXPECTED}") from None
        if not isinstance(row, dict) or "pred" not in row or not isinstance(row.get("gold"), str):
            raise UserError(f"{path}:{number}: no such pair; {_EXPECTED}")
        yield row["pred"] if isinstance(row["pred"], str) else None, row["gold"]
