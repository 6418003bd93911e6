"""`python -m benchmarks sandbox`: the time of a program in the sandbox, and a soak test.

As root it restarts itself as an unprivileged user, since the soak test runs attacks.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import ratio, show
from umi_lite.errors import UserError
from umi_lite.sandbox import unprivileged
from umi_lite.sandbox.attacks.soak import soak as soak_level
from umi_lite.sandbox.result import Level
from umi_lite.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from rich.console import Console

_LEVELS: tuple[Level, ...] = ("standard", "full")
_AT_ONCE = 20
_PROGRAM = "print(6 * 7)"
_SYMPY = "import sympy\nx = sympy.Symbol('x')\nsympy.solve(x**2 - 5*x + 6, x)"
_BARE = [sys.executable, "-I", "-c", "pass"]

Rows = dict[str, dict[str, float | int | None]]


def bench(console: "Console", *, calls: int = 200, soak: int = 0) -> None:
    """Measure each level that is available here; print a table, ratios and JSON.

    Raises:
        UserError: no level is available, or none that root can use.
    """
    if os.geteuid() == 0:
        words = [sys.executable, "-m", "benchmarks.sandbox", str(calls), str(soak)]
        root = str(Path(__file__).resolve().parent.parent)
        kept = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": root, "HOME": "/"}
        subprocess.run(
            unprivileged.command(words), check=True, cwd="/", env={**kept, "COLUMNS": "132"}
        )
        return
    rows: Rows = {}
    lacks: list[str] = []
    for level in _LEVELS:
        console.print(f"level {level}", highlight=False)
        try:
            rows[level] = _level(level, calls, soak, console)
        except UserError as err:
            lacks.append(str(err))
            console.print(str(err), highlight=False, markup=False)
    if not rows:
        raise UserError("; ".join(lacks))
    bare = [_seconds(lambda: subprocess.run(_BARE, check=True)) for _ in range(calls // 4)]
    rows["python -I -c pass"] = {"median ms": _ms(statistics.median(bare)), "p90 ms": _p90(bare)}
    ratios = {
        f"{level}/python -I -c pass, median": ratio(
            rows[level]["median ms"], rows["python -I -c pass"]["median ms"]
        )
        for level in rows
        if level in _LEVELS
    }
    show(f"{calls} programs in sequence", rows, ratios, 1)


def _level(
    level: Level, calls: int, soak: int, console: "Console"
) -> dict[str, float | int | None]:
    with Sandbox(level) as sandbox:
        first = _seconds(sandbox.start)
        if sandbox.run("import sympy").status != "ok":
            console.print("sympy is not installed: measuring without it", highlight=False)
        taken = [_seconds(lambda: sandbox.run(_PROGRAM)) for _ in range(calls)]
        solving = [_seconds(lambda: sandbox.run(_SYMPY)) for _ in range(calls // 4)]
        answers: list[str] = []
        threads = [
            threading.Thread(target=lambda i=i: answers.append(sandbox.run(f"print({i})").stdout))
            for i in range(_AT_ONCE)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        together = time.perf_counter() - began
        expected = sorted(f"{i}\n" for i in range(_AT_ONCE))
        row: dict[str, float | int | None] = {
            "median ms": _ms(statistics.median(taken)),
            "p90 ms": _p90(taken),
            "sympy ms": _ms(statistics.median(solving)),
            "start ms": _ms(first),
            f"{_AT_ONCE} at once ms": _ms(together),
            "lost": _AT_ONCE - sum(a == b for a, b in zip(sorted(answers), expected, strict=False)),
        }
    if soak:
        row |= soak_level(level, soak, lambda line: console.print(line, highlight=False))
    return row


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


def _p90(taken: list[float]) -> float:
    return _ms(sorted(taken)[int(0.9 * len(taken))])


if __name__ == "__main__":
    from rich.console import Console

    bench(Console(stderr=True), calls=int(sys.argv[1]), soak=int(sys.argv[2]))
