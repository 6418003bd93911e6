r"""One spelling for what LaTeX, units and words can write in many. Text only.

What is taken off here: dollars, spacing, `\left`, `\text{}`, units, words around a number,
commas in thousands. Nothing is evaluated.
"""

import re
from dataclasses import dataclass

from umi_lite.evals.math.currency import CURRENCY_NAMES, without_currency
from umi_lite.evals.math.python_text import CALL_NAMES, from_python

LONGEST = 2000
"""Characters of an answer that are read; a longer one only equals itself."""

_SYMBOLS = {
    "−": "-", "–": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "√": r"\sqrt ",
    "π": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "ℝ": r"\mathbb{R} ", "±": r"\pm ",
    "⁄": "/", "∖": r"\setminus ",
    "²": "^2 ", "³": "^3 ", "½": r"\frac12 ", "∅": r"\emptyset ", "“": '"', "”": '"',
}  # fmt: skip
# What the unit is called, by its other names. Only two units of this table can disagree.
_NAMES = {
    "cm": "centimeter centimeters", "m": "meter meters", "km": "kilometer kilometers",
    "mm": "millimeter millimeters", "ft": "foot feet", "in": "inch inches", "yd": "yard yards",
    "mi": "mile miles", "s": "sec second seconds", "min": "minute minutes",
    "h": "hr hrs hour hours", "day": "days", "week": "weeks", "month": "months",
    "year": "years yr yrs", "g": "gram grams", "kg": "kilogram kilograms", "lb": "lbs pound pounds",
    "oz": "ounce ounces", "dollar": "dollars usd", "cent": "cents", "degree": "degrees deg",
    "radian": "radians rad", "liter": "liters", "ml": "milliliter milliliters",
    "mph": "", "gallon": "gallons", **CURRENCY_NAMES,
}  # fmt: skip
_UNITS = {name: unit for unit, names in _NAMES.items() for name in (unit, *names.split())}
# Units of one letter, and `in`, are read as such in \text{} only: else they are variables.
_BARE_UNITS = {name for name in _UNITS if len(name) > 1 and name != "in"}
_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh log ln exp sqrt "
    "cbrt abs pi oo inf infinity floor ceil ceiling max min gcd lcm mod det binom Matrix infty cup"
)
_FUNCTIONS = frozenset([*_FUNCTION_NAMES.split(), *re.findall(r"[A-Za-z]+", CALL_NAMES)])
_TEXT = re.compile(
    r"\\(?:text|mbox|hbox|mathrm|textbf|mathbf|textrm|textit|mathit|bf|rm|operatorname)\s*"
    r"\{([^{}]*)\}"
)
_SPACING = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|nolimits|allowbreak)(?![A-Za-z])"
    r"|\\!|\\(?=$)"
)
_SPACE = re.compile(r"(?<!\\)\\[,;: ]|~|\\q?quad(?![A-Za-z])|\\enspace|\s+")
# A backslash between two sets is no spacing.
_DIFFERENCE = re.compile(r"(\\mathbb\s*\{?\s*R\s*\}?\s*|[\])]\s+)\\\s+(?=\\?[{(\[])")
_POWER = r"(?:\s*\^\s*(?:(\d)|\{\s*(\d)\s*\}))?"
_LETTER_UNIT = re.compile(
    r"(?P<number>-?\d[\d.,]*)\s+(?P<unit>m|s|g|h|L|N|J|W|V|A|K)(?P<rest>/s)?" + _POWER
)
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_SETS = {"all real numbers": r"\mathbb{R}", "all reals": r"\mathbb{R}", "empty set": r"\emptyset"}
_DEGREE = r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])"
_CLOCK = re.compile(r"(\d{1,2}:\d{2}|\b\d{1,2}(?= ))\s*([ap])\.?\s*m\b\.?", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_MIXED = re.compile(r"(?<![\d/.^_}])(\d+) +(\d+) */ *(\d+)(?![\d/.])")
_WORDS = re.compile(r"(?<![\\A-Za-z_])[A-Za-z]{2,}(?:/(?:[A-Za-z]{1,})(?![A-Za-z(]))?" + _POWER)
_LABEL = re.compile(
    r"^\s*(?:m?\s*\\(?:angle|triangle)|[^=<>{}\\]*(?<![\\A-Za-z])[A-Za-z]{4,})[^=<>{}\\]*=(?!=)"
)


@dataclass(frozen=True)
class Spelled:
    """An answer in one spelling: its formula, and the known units that stood in it.

    `listed` is the formula with "100,200" as a list of two, where `formula` has one number.
    `words` is its text where it is no formula ("friday"), else None.
    """

    formula: str
    listed: str
    units: frozenset[str]
    words: str | None

    @property
    def key(self) -> str:
        """Equal keys: the same answer, letter by letter."""
        return re.sub(r"\s+", "", self.formula if self.words is None else self.words)


def spell(answer: str) -> Spelled:
    """An answer of at most `LONGEST` characters in one spelling."""
    text = answer.strip()
    for symbol, plain in _SYMBOLS.items():
        text = text.replace(symbol, plain)
    text, units = without_currency(from_python(text))
    if re.search(r"\\\$|^\$\s*-?[\d.,]+(?!.*\$)", text):
        units.add("dollar")
    text = text.replace(r"\$", "").replace("$", "")
    text = re.sub(r"^\\[(\[]|\\[)\]]$", "", text.strip())
    text = text.replace("{,}", ",").replace("{:}", ":").replace("{.}", ".")
    text = _SPACING.sub("", text)
    text = re.sub(r"(?<=\d)\\[,;](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    text = re.sub(r"\\(?:geqslant|geq)(?![A-Za-z])", r"\\ge ", text)
    text = re.sub(r"\\(?:leqslant|leq)(?![A-Za-z])", r"\\le ", text)
    text = _DIFFERENCE.sub(r"\1 \\setminus ", text)
    text = _SPACE.sub(" ", text).lstrip(" \"'").rstrip(" .\"';,:")
    inside = _TEXT.fullmatch(text)
    if inside and re.search(r"\d", inside.group(1)):
        text = inside.group(1).strip()
    text = re.sub(r"(?<=[\d}) ])percent(?:age)?\b|\\text\s*\{\s*percent\s*\}", r"\\%", text)
    words = _as_words(text)
    if words is not None and words.removeprefix("the ") in _SETS:
        text, words = _SETS[words.removeprefix("the ")], None
    if words is not None:
        return Spelled(words, words, frozenset(), words)
    if re.search(_DEGREE, text):
        # A function takes degrees as such; elsewhere they are a unit.
        in_function = _TRIGONOMETRY.search(text) is not None
        text = re.sub(_DEGREE, r"\\degree " if in_function else "", text)
        units |= set() if in_function else {"degree"}
    text, clock = _without_clock(text)
    units |= clock
    text = _without_texts(text, units)
    text = _LABEL.sub("", text).strip()
    letter = _LETTER_UNIT.fullmatch(text)
    if letter:
        text = letter["number"]
        if letter["rest"] is None:
            _note_unit(letter["unit"], letter[4] or letter[5], units)
    text = _without_words(text, units)
    formula, listed = (
        _MIXED.sub(r"\1\\frac{\2}{\3}", made).rstrip(" .;,:").lstrip(" ;,:")
        for made in (_without_thousands(text), text)
    )
    return Spelled(formula, listed, frozenset(units), None)


def _as_words(text: str) -> str | None:
    """A text answer's words in small letters, single letters as they are; None for a formula."""
    bare = _TEXT.sub(r" \1 ", text).strip(" .\"'")
    choice = re.fullmatch(r"\(?\s*([A-Z])\s*\)?\.?", bare)
    if choice:
        return choice.group(1)
    if not re.fullmatch(r"[A-Za-z][A-Za-z'\- ]*", bare):
        return None
    said = bare.split()
    only_text = _TEXT.fullmatch(text) is not None
    if len(bare) == 1 or bare in _FUNCTIONS or said[0] in _FUNCTIONS:
        return None
    # Without \text{}, "xy" is a product and "or" is no answer.
    if not only_text and len(said) == 1 and len(bare) < 3 and not bare.istitle():
        return None
    return " ".join(said).casefold()


def _without_clock(text: str) -> tuple[str, set[str]]:
    bare = _TEXT.sub(r" \1 ", text) if re.search(r"\d:\d\d", text) else text
    half = _CLOCK.search(bare)
    if half is None:
        return (bare if bare is not text and not re.search("[A-Za-z]{3}", bare) else text), set()
    return _CLOCK.sub(r"\1", bare).strip(), {f"{half.group(2).lower()}m"}


def _without_texts(text: str, units: set[str]) -> str:
    r"""`\text{…}` off: "or" and "and" separate, a unit is noted, letters alone stay."""

    def off(match: re.Match[str]) -> str:
        inside = match.group(1).strip().strip(".,")
        if inside in ("or", "and", "if", "to"):
            return {"or": r" \or ", "and": r" \and "}.get(inside, " ")
        before = match.string[: match.start()].rstrip()
        # A single letter behind nothing is a name, behind a number a unit.
        if re.fullmatch(r"\(?[A-Z]\)?|[A-Z](?:\s*,\s*[A-Z])+", inside):
            return f" {inside} "
        if re.fullmatch(r"-?[\d.]+", inside) or inside in _FUNCTIONS:
            return f"\\{inside} " if inside in _FUNCTIONS else inside
        if not before or before[-1] in "=<>({,":
            return " "
        _note_unit(inside, match.group(2) or match.group(3), units)
        return " "

    return re.sub(_TEXT.pattern + _POWER, off, text)


def _note_unit(name: str, power: str | None, units: set[str]) -> None:
    """Add a unit that the table knows, as `cm` or `cm2`."""
    name = re.sub(r"^(?:square|sq\.?) ", "2 ", name.strip())
    name = re.sub(r"^cubic ", "3 ", name)
    square, _, rest = name.rpartition(" ") if name[:2] in ("2 ", "3 ") else ("", "", name)
    unit = _UNITS.get(rest.rstrip("."))
    if unit is not None:
        units.add(unit + (power or square).strip())


def _without_words(text: str, units: set[str]) -> str:
    """Bare words off where they are no mathematics: units, and words beside a number."""

    def off(match: re.Match[str]) -> str:
        word = re.match(r"[A-Za-z]+", match.group())
        assert word is not None
        name = word.group()
        if name in _FUNCTIONS:
            return match.group()
        if name in ("or", "and"):
            return f" \\{name} "
        before = match.string[: match.start()]
        if name.lower() in _BARE_UNITS and re.search(r"[\d})iI]\s*$|\\pi\s*$", before):
            _note_unit(name.lower(), match.group(1) or match.group(2), units)
            return " "
        # "xy" may be a product; a word has a vowel, a blank beside it and three letters.
        is_word = len(name) > 2 or name.lower() in ("so", "is", "it", "we", "by", "of", "to")
        at_start = not before.strip() and text[match.end() : match.end() + 1] in (" ", ":")
        if is_word and (at_start or (len(name) > 2 and before[-1:] == " ")):
            return " "
        return match.group()

    # Commands keep their braces' words: \begin{pmatrix}.
    parts = re.split(r"(\\(?:begin|end)\s*\{[a-z*]+\}|\\mathbb\s*\{?[A-Z]\}?)", text)
    return "".join(part if at % 2 else _WORDS.sub(off, part) for at, part in enumerate(parts))


def _without_thousands(text: str) -> str:
    """Commas in thousands off, outside of brackets only: (1,234) is a point."""
    depth, start, parts = 0, 0, []
    for match in re.finditer(r"[(\[]|\\\{|[)\]]|\\\}", text):
        if depth == 0:
            parts.append(_THOUSANDS.sub(_joined, text[start : match.start()]))
        else:
            parts.append(text[start : match.start()])
        depth = max(0, depth + (1 if match.group() in ("(", "[", r"\{") else -1))
        parts.append(match.group())
        start = match.end()
    tail = text[start:]
    return "".join(parts) + (tail if depth else _THOUSANDS.sub(_joined, tail))


def _joined(match: re.Match[str]) -> str:
    return match.group().replace(",", "")
