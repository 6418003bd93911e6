r"""Python's spellings of an answer in the notation of the rest. Text only.

What sympy, fractions, decimal, numpy and Python's own complex numbers, dicts and booleans print.
The names that stay, as `Rational(1, 2)`, are read by `calls`.
"""

import re

CALL_NAMES = (
    "Rational Fraction Integer Float Decimal Interval Interval.open Interval.Lopen "
    "Interval.Ropen Union Complement FiniteSet Eq Ne Lt Le Gt Ge binomial factorial root Abs "
    "complex float int array Point Point2D Tuple sympify nsimplify"
)
"""Names that `calls` reads, with their brackets."""

_MODULE = re.compile(
    r"(?<![\\\w.])(?:sympy|sp|sym|np|numpy|math|cmath|mpmath|mp|fractions|decimal|S)\.(?=[A-Za-z])"
)
_NUMPY_NUMBER = re.compile(
    r"(?<![\\\w.])(?:float|int|complex)(?:8|16|32|64|128)\(([^()]*)\)|mpf\(([^()]*)\)"
)
_SYMPIFIED = re.compile(r"(?<![\\\w.])S\(([^()]*)\)")
_QUOTED = re.compile(r"(?<=[A-Za-z]\()\s*(['\"])([^'\"()]*)\1\s*(?=\))")
_SET_NAMES = re.compile(r"(?<![\\\w])(?:EmptySet(?:\(\))?|set\(\))|(?<![\\\w])Reals(?!\w)")
_IMAGINARY = re.compile(r"(?<=[\d.])j(?![\w^{(])")
_OTHER_UNITS = re.compile(r"(?<![A-Za-z\\])[iIk](?![A-Za-z])")
_SOLUTION = re.compile(
    r"(?<!\\)(?:^\[)?\{(\s*[A-Za-z]\w*\s*:[^:{}<>=|]+(?:,\s*[A-Za-z]\w*\s*:[^:{}<>=|]+)*)\}(?:\]$)?"
)


def from_python(text: str) -> str:
    """Return an answer with Python's spellings replaced where they have another name here."""
    if not re.search(r"[A-Za-z]", text):
        return text
    text = _MODULE.sub("", text)
    text = _QUOTED.sub(r"\2", text)
    text = _NUMPY_NUMBER.sub(lambda match: f"({match[1] or match[2]})", text)
    text = _SYMPIFIED.sub(r"(\1)", text)
    text = _SET_NAMES.sub(lambda match: _SETS["R" if "R" in match[0] else "E"], text)
    text = _SOLUTION.sub(lambda match: match[1].replace(":", "="), text)
    # In 3i + 2j the j is a direction.
    if not _OTHER_UNITS.search(text):
        text = _IMAGINARY.sub("i", text)
    if "&" in text and r"\begin" not in text:
        text = text.replace("&", r" \and ")
    return re.sub(r"\)\s*\|\s*\(", r") \\or (", text)


_SETS = {"R": r"\mathbb{R}", "E": r"\emptyset"}
