r"""Grade answers of MATH problems: predictions against golds, the values in the sandbox.

The rule is ToRA's (arXiv 2309.17452): extraction (`extract`), one spelling (`normalize`), then
equality of strings, of numbers to 1e-4, of terms. `values`, `parse` and `compare` run in the
sandbox: a model wrote the answers, and some take sympy minutes.
"""

import atexit
import functools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from umi_lite.data.window import opened
from umi_lite.errors import UserError
from umi_lite.evals.math.extract import answer_of, marked, without_markup
from umi_lite.evals.math.normalize import LONGEST, spell
from umi_lite.sandbox.python import Limits, sandbox

# Limits of one comparison; with a new process before it, it takes less than two seconds.
_LIMITS = Limits(seconds=1.2, cpu_seconds=1.2, output_chars=100)
# sympy's caches grow with each comparison; a fresh process has empty ones.
_PER_PROCESS = 200
_MODULES = ("values", "parse", "compare")
_NO_SYMPY = "no sympy"
_LOADER = """\
import sys, types
try:
    import sympy
except ImportError:
    sys.exit({no_sympy!r})
package = sys.modules["umi_lite.evals.math"] = types.ModuleType("umi_lite.evals.math")
for name, source in {sources!r}:
    module = types.ModuleType("umi_lite.evals.math." + name)
    setattr(package, name, module)
    sys.modules[module.__name__] = module
    exec(compile(source, name, "exec"), module.__dict__)
same_answer = module.same_answer
"""


def equal(pred: str, gold: str, output: str | None = None) -> bool:
    r"""True if a solution (or a bare answer) gives the same answer as the gold (likewise).

    Never raises for their content, and takes at most 2 s: hostile or endless text gives False.

    Args:
        output: what the solution's last program printed; used if its text gives no answer.

    Raises:
        UserError: this machine has no sandbox, or no sympy for it.
    """
    said, wanted = answer_of(pred, output), marked(gold)
    wanted = without_markup(gold).strip() if wanted is None else wanted
    if not wanted:
        return False
    if wanted in (said, pred.strip()):
        return True
    if not said or max(len(said), len(wanted)) > LONGEST:
        return False
    one, other = spell(said), spell(wanted)
    if not one.key or not other.key or _disagree(one.units, other.units):
        return False
    if one.key == other.key:
        return True
    if one.words is not None and other.words is not None:
        return False
    # "100,200" may be a number or a list: it is a list where the other one is the same list.
    readings = {(one.formula, other.formula): None, (one.listed, other.listed): None}
    return grader().same(tuple(readings))


def _disagree(one: frozenset[str], other: frozenset[str]) -> bool:
    """True if both have units, but none in common."""
    return bool(one and other and not one & other)


class Grader:
    """Compares spelled answers in a sandbox process, kept for later comparisons."""

    def __init__(self) -> None:
        self._session = sandbox().session(_LIMITS)
        self._left = 0

    def start(self) -> None:
        """Start the process, so that the first comparison does not wait for it.

        Raises:
            UserError: as `equal`.
        """
        if self._left == 0:
            self._load()

    def same(self, readings: Sequence[tuple[str, str]]) -> bool:
        """True if two formulas have the same value in one of their readings; False beyond a limit.

        Raises:
            UserError: as `equal`.
        """
        self.start()
        self._left -= 1
        result = self._session.run(f"any(same_answer(*pair) for pair in {list(readings)!r})")
        if result.state_lost or result.status != "ok":
            self._left = 0
        return result.status == "ok" and result.value == "True"

    def close(self) -> None:
        """End the process."""
        self._session.close()

    def _load(self) -> None:
        self._session.close()
        result = self._session.run(_loader())
        if result.status == "refused":
            raise UserError(str(result.error))
        if result.status == "error" and str(result.error).endswith(_NO_SYMPY):
            raise UserError("grading MATH answers needs sympy: pip install umi-lite[math]")
        if result.status != "ok":
            raise RuntimeError(f"the grader did not start in the sandbox: {result.error}")
        self._left = _PER_PROCESS


@functools.cache
def grader() -> Grader:
    """Return this process's grader; it starts when it is needed."""
    made = Grader()
    atexit.register(made.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=grader.cache_clear)
    return made


@functools.cache
def _loader() -> str:
    here = Path(__file__).parent
    return _LOADER.format(
        no_sympy=_NO_SYMPY,
        sources=[(name, (here / f"{name}.py").read_text(encoding="utf-8")) for name in _MODULES],
    )


_EXPECTED = '{"pred": text, number or null, "gold": text or number} is expected'


def grades(path: Path) -> Iterator[bool]:
    """Yield whether `pred` is the gold answer, for each line `{"pred", "gold"}` that is not blank.

    Both are a solution or a bare answer, as text or as a JSON number. Any other `pred`, null
    included, is wrong.

    Raises:
        UserError: the file cannot be read, or a line is not such a pair; raised before the first
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
            raise UserError(f"{path}:{number}: not such a pair; {_EXPECTED}")
        yield row["pred"] if isinstance(row["pred"], str) else None, row["gold"]
