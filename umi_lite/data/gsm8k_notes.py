"""GSM8K's calculator notes `48/2 = <<48/2=24>>24 clips` as a plan and a program.

The program has one assignment a note, named by what the solution counts (`clips = 48/2`); an
operand that is an earlier note's result becomes that note's name. The plan is the solution's
lines with the same names in place of the results: `Natalia sold 48/2 = clips in May.`
"""

import ast
import builtins
import keyword
import re
from dataclasses import dataclass, field

_AMOUNT = r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+"
# A note in its sentence: the equals sign, the note, and the result said again.
_SPAN = re.compile(
    rf"\s*(?P<equals>=?)\s*-?(?P<unit>[$€£]?)<<(?P<note>[^<>]*)>>[$€£-]*(?:{_AMOUNT})?"
)
_NUMBER = re.compile(rf"[$€£]?(?<![\w.])({_AMOUNT})(?!\d|\.\d|st\b|nd\b|rd\b|th\b)([a-zA-Z]?)")
# "2 / 3 * 150 = 300 / 3 =": the middle was worked out in the head.
_HALFWAY = re.compile(r"(?<=[\d)])\s*=[^=a-zA-Z]*\d[^=a-zA-Z]*\Z")
_LITERAL = re.compile(r"\d+\.?\d*|\.\d+")
_WORD = re.compile(r"\s+([a-z]{3,14})(?![\w'’-])")
_COUNTS = "one two three four five six seven eight nine ten eleven twelve"
_WORDS = {word: float(value) for value, word in enumerate(_COUNTS.split(), start=1)}
_WORDS |= {
    "twice": 2.0,
    "double": 2.0,
    "half": 2.0,
    "dozen": 12.0,
    "twenty": 20.0,
    "hundred": 100.0,
}
_TAKEN = frozenset(keyword.kwlist) | frozenset(dir(builtins))
_SMALL_WORDS = """
additional all altogether and are because before but can did does during each every extra fewer
for from had has have her his into its left less more much new not off one only other out over per
she than that the their them then there they this times total was were when which while who will
with would worth you your after
"""
_NO_NAME = _TAKEN | frozenset(_SMALL_WORDS.split())
_NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.USub, ast.UAdd),
)


class BadNotes(ValueError):
    """No program can be made of a solution's notes. One of few messages, to be counted."""


@dataclass(frozen=True)
class Derived:
    """`plan`: on one line, a sentence a note. `program`: ends by printing the last result."""

    plan: str
    program: str


def derive(question: str, solution: str) -> Derived:
    """Return the plan and the program of one solution (the text before `####`).

    A number that is in the question is the question's, also where a result equals it.

    Raises:
        BadNotes: there are no notes, one is not plain arithmetic, or one only states a number
            that the question does not hold (worked out in the head: no program finds it).
    """
    names = _Names({_value(number) for number, _ in _NUMBER.findall(question)})
    spelled = re.findall("[a-z]+", question.lower())
    names.asked |= {_WORDS[word] for word in spelled if word in _WORDS}
    lines: list[str] = []
    program: list[str] = []
    for line in solution.strip().splitlines():
        # Text with how many results were known there, put into words when the line is done:
        # "He eats 32 because 2 x 16 = <<2*16=32>>32" says a result before its note.
        said: list[tuple[str, int]] = []
        end = 0
        for span in _SPAN.finditer(line):
            expression, result = _split(span["note"])
            named = names.in_sum(expression)
            before = _apart(line[end : span.start()])
            if span["equals"]:
                before = _HALFWAY.sub("", before)
            said.append((before, len(names.results)))
            end = span.end()
            bare = _LITERAL.fullmatch(expression) is not None
            if bare and named == expression and result not in names.asked:
                raise BadNotes("a note states a number without a sum")
            if bare and named != expression:
                # The result of an earlier note, said again.
                names.results.append((result, named))
                said.append((f" {span['equals']} {named}", 0))
                continue
            name, end = names.new(result, line, end, span["unit"])
            program.append(f"{name} = {named}")
            # Where the sentence does not spell the sum out, the note's own form does.
            said.append((f" = {name}" if span["equals"] else f" {named} = {name}", 0))
        if said:
            said.append((_apart(line[end:]), len(names.results)))
            text = "".join(names.in_text(text, known) for text, known in said)
            lines.append(_sentence(" ".join(text.split())))
    if not names.results:
        raise BadNotes("no calculator notes")
    last = names.results[-1][1]
    # Division and decimals leave binary noise: 0.1*3.
    noisy = re.search(r"[/.]", "".join(program)) is not None
    program.append(f"print(round({last}, 2))" if noisy else f"print({last})")
    return Derived(" ".join(lines), "\n".join(program))


def _split(note: str) -> tuple[str, float]:
    """Return a note's sum and the result it states."""
    expression, equals, result = note.partition("=")
    # The source writes 05, which Python does not read.
    expression = re.sub(r"(?<![\d.])0+(?=\d)", "", expression).strip()
    try:
        tree = ast.parse(expression, mode="eval")
        shown = float(result)
    except (SyntaxError, ValueError):
        raise BadNotes("a note is not a sum that Python reads") from None
    if not equals or not all(isinstance(node, _NODES) for node in ast.walk(tree)):
        raise BadNotes("a note is not a sum that Python reads")
    return expression, shown


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text.rstrip(' ,;:')}."


def _apart(text: str) -> str:
    """Return the text after a result, a unit that was glued to the number set apart."""
    return f" {text}" if text[:1].isalnum() else text


def _value(number: str) -> float:
    return float(number.replace(",", ""))


@dataclass
class _Names:
    """What results are called, in the order they were found."""

    asked: set[float]
    results: list[tuple[float, str]] = field(default_factory=list)

    def find(self, value: float, known: int | None = None) -> str | None:
        """Return the name of a result with this value; None where the question has the number.

        The latest of the `known` first results (all by default), else the first of the others.
        """
        if value in self.asked:
            return None
        known = len(self.results) if known is None else known
        order = [*reversed(self.results[:known]), *self.results[known:]]
        return next((name for shown, name in order if shown == value), None)

    def in_sum(self, expression: str) -> str:
        return _LITERAL.sub(lambda found: self.find(float(found[0])) or found[0], expression)

    def in_text(self, text: str, known: int) -> str:
        """Return a text in which results go by their names: `24 clips` is `clips`."""

        def worded(found: re.Match[str]) -> str:
            name = self.find(_value(found[1]), known)
            return found[0] if name is None else f"{name} {found[2]}" if found[2] else name

        text = _NUMBER.sub(worded, text)
        for _, name in self.results:
            text = re.sub(rf"\b{name}\s+{name.rstrip('0123456789')}\b", name, text)
        return text

    def new(self, value: float, line: str, end: int, unit: str) -> tuple[str, int]:
        """Return a result's name (the word after it, else its unit) and where the text resumes."""
        word = _WORD.match(line, end)
        stem = "dollars" if unit == "$" else "result"
        if word is not None and word[1] not in _NO_NAME:
            stem, end = word[1], word.end()
        taken = {name for _, name in self.results}
        numbers = iter(range(2, len(taken) + 3))
        name = stem
        while name in taken:
            name = f"{stem}{next(numbers)}"
        self.results.append((value, name))
        return name, end
