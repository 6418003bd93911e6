"""The suite run in a process that is not root, and its outcomes as a table."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.errors import UserError
from umi_lite.sandbox import unprivileged
from umi_lite.sandbox.attacks.suite import Outcome
from umi_lite.sandbox.result import Level

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def outcomes(level: Level) -> Iterator[Outcome]:
    """Run the suite at a level in another process, which gives up root first if it has it.

    Raises:
        UserError: the level is not available here.
        RuntimeError: the suite broke off.
    """
    words = [sys.executable, "-m", "umi_lite.sandbox.attacks", level]
    kept = {key: os.environ[key] for key in ("PATH",) if key in os.environ}
    # Test this package, installed or not.
    kept |= {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory(prefix="umi-suite-") as home:
        os.chmod(home, 0o755)
        process = subprocess.Popen(
            unprivileged.command(words),
            env={**kept, "HOME": home},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                said = json.loads(line)
                if said == "done":
                    return
                if isinstance(said, str):
                    raise UserError(said)
                yield Outcome(**said)
            raise RuntimeError(f"the attack suite broke off: {process.stderr.read()}")


def table(level: Level, seen: Sequence[Outcome]) -> "Table":
    """Return a table of one row per family: how many attacks, and how they ended."""
    from rich import box
    from rich.table import Table

    columns = ("held", "known", "through", "unclear")
    shown = Table("family", "attacks", *columns, title=f"level {level}", box=box.SIMPLE)
    for family in [*dict.fromkeys(outcome.family for outcome in seen), None]:
        ends = Counter(o.verdict for o in seen if family in (o.family, None))
        cells = [str(ends[column]) for column in columns]
        shown.add_row(family or "all", str(ends.total()), *cells, end_section=family is None)
    return shown


def attack_levels(level: Level | None, console: "Console") -> dict[Level, list[Outcome]]:
    """Attack one level, or each that this machine has; print failures and a table per level.

    Raises:
        UserError: the level, or every level, is not available here.
    """
    found: dict[Level, list[Outcome]] = {}
    lacks: list[str] = []
    for wanted in ("standard", "full") if level is None else (level,):
        try:
            seen = list(outcomes(wanted))
        except UserError as err:
            lacks.append(str(err))
            console.print(f"level {wanted}: {err}", highlight=False, markup=False)
            continue
        for one in seen:
            if one.verdict != "held":
                line = f"{one.verdict}: {one.family}: {one.attack}: {one.why}"
                console.print(line, highlight=False, markup=False)
        console.print(table(wanted, seen))
        found[wanted] = seen
    if not found:
        raise UserError("; ".join(lacks))
    return found


def summary(found: Mapping[Level, Sequence[Outcome]]) -> str:
    """Return one JSON object: per level its counts, and what did not hold."""
    return json.dumps(
        {
            level: {
                "attacks": len(seen),
                **Counter(outcome.verdict for outcome in seen),
                "not held": [asdict(outcome) for outcome in seen if outcome.verdict != "held"],
            }
            for level, seen in found.items()
        }
    )
