r"""Normalize an answer's spelling: LaTeX, units, currencies, words, Python. Text only.

Removed are dollars, spacing, `\left`, `\text{}`, units, words around a number and commas in
thousands. What sympy, fractions, decimal, numpy and Python's complex numbers, dicts and booleans
print is rewritten, or read by `parse` under its name (`Rational(1, 2)`). Nothing is evaluated.
"""

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 2000
"""Characters of an answer that are read; a longer one only equals itself."""

_SYMBOLS = {
    "−": "-", "–": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "√": r"\sqrt ",
    "π": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "ℝ": r"\mathbb{R} ", "±": r"\pm ",
    "⁄": "/", "∖": r"\setminus ",
    "²": "^2 ", "³": "^3 ", "½": r"\frac12 ", "∅": r"\emptyset ", "“": '"', "”": '"',
}  # fmt: skip
# Units and their other names. Only two units of this table can disagree.
_NAMES = {
    "cm": "centimeter centimeters", "m": "meter meters", "km": "kilometer kilometers",
    "mm": "millimeter millimeters", "ft": "foot feet", "in": "inch inches", "yd": "yard yards",
    "mi": "mile miles", "s": "sec second seconds", "min": "minute minutes",
    "h": "hr hrs hour hours", "day": "days", "week": "weeks", "month": "months",
    "year": "years yr yrs", "g": "gram grams", "kg": "kilogram kilograms", "lb": "lbs pound pounds",
    "oz": "ounce ounces", "dollar": "dollars usd", "cent": "cents", "degree": "degrees deg",
    "radian": "radians rad", "liter": "liters", "ml": "milliliter milliliters",
    "mph": "", "gallon": "gallons",
    "euro": "euros eur", "gbp": "sterling quid", "yen": "jpy", "yuan": "cny rmb renminbi",
    "rupee": "rupees inr", "won": "krw", "ruble": "rubles rouble roubles", "franc": "francs chf",
}  # fmt: skip
_UNITS = {name: unit for unit, names in _NAMES.items() for name in (unit, *names.split())}
# Units of one letter, and `in`, are read as such in \text{} only: else they are variables.
_BARE_UNITS = {name for name in _UNITS if len(name) > 1 and name != "in"}
# Names of Python's calls that `parse` reads, with their brackets.
_CALL_NAMES = (
    "Rational Fraction Integer Float Decimal Interval Interval.open Interval.Lopen "
    "Interval.Ropen Union Complement FiniteSet Eq Ne Lt Le Gt Ge binomial factorial root Abs "
    "complex float int array Point Point2D Tuple sympify nsimplify"
)
_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh log ln exp sqrt "
    "cbrt abs pi oo inf infinity floor ceil ceiling max min gcd lcm mod det binom Matrix infty cup"
)
_FUNCTIONS = frozenset([*_FUNCTION_NAMES.split(), *re.findall(r"[A-Za-z]+", _CALL_NAMES)])
_TEXT = re.compile(
    r"\\(?:text|mbox|hbox|mathrm|textbf|mathbf|textrm|textit|mathit|bf|rm|operatorname)\s*"
    r"\{([^{}]*)\}"
)
_SPACING = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|nolimits|allowbreak)(?![A-Za-z])"
    r"|\\!|\\(?=$)"
)
_SPACE = re.compile(r"(?<!\\)\\[,;: ]|~|\\q?quad(?![A-Za-z])|\\enspace|\s+")
# A backslash between two sets is a difference, not spacing.
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
    """An answer in one spelling: its formula, and the known units that were in it.

    `listed` is the formula with "100,200" as a list of two, where `formula` has one number.
    `words` is its text where it is not a formula ("friday"), else None.
    """

    formula: str
    listed: str
    units: frozenset[str]
    words: str | None

    @property
    def key(self) -> str:
        """The text without blanks; answers with equal keys are the same letter by letter."""
        return re.sub(r"\s+", "", self.formula if self.words is None else self.words)


def spell(answer: str) -> Spelled:
    """Return an answer of at most `LONGEST` characters in one spelling."""
    text = answer.strip()
    for symbol, plain in _SYMBOLS.items():
        text = text.replace(symbol, plain)
    text, units = _without_currency(_from_python(text))
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
    """Return a text answer's words in lower case (single letters unchanged); None for a formula."""
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
    # Without \text{}, "xy" is a product and "or" is not an answer.
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
    r"""Remove `\text{…}`: "or" and "and" separate, a unit is noted, letters alone stay."""

    def off(match: re.Match[str]) -> str:
        inside = match.group(1).strip().strip(".,")
        if inside in ("or", "and", "if", "to"):
            return {"or": r" \or ", "and": r" \and "}.get(inside, " ")
        before = match.string[: match.start()].rstrip()
        # A single letter is a unit after a number, a name otherwise.
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
    """Remove bare words that are not mathematics: units, and words next to a number."""

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
        # "xy" may be a product; a word has three letters, or a blank next to it.
        is_word = len(name) > 2 or name.lower() in ("so", "is", "it", "we", "by", "of", "to")
        at_start = not before.strip() and text[match.end() : match.end() + 1] in (" ", ":")
        if is_word and (at_start or (len(name) > 2 and before[-1:] == " ")):
            return " "
        return match.group()

    # Commands keep their braces' words: \begin{pmatrix}.
    parts = re.split(r"(\\(?:begin|end)\s*\{[a-z*]+\}|\\mathbb\s*\{?[A-Z]\}?)", text)
    return "".join(part if at % 2 else _WORDS.sub(off, part) for at, part in enumerate(parts))


def _without_thousands(text: str) -> str:
    """Remove commas in thousands, outside of brackets only: (1,234) is a point."""
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


# A sign that several currencies share, or whose name a unit of weight has, agrees with each.
_CURRENCY_SIGNS = {
    "€": ("euro",), "£": ("gbp", "lb"), "¥": ("yen", "yuan"), "₹": ("rupee",), "₩": ("won",),
    "₽": ("ruble",), "¢": ("cent",),
}  # fmt: skip
_CURRENCY_COMMANDS = {
    "euro": "€", "texteuro": "€", "EUR": "€", "pounds": "£", "textsterling": "£",
    "mathsterling": "£", "yen": "¥", "textyen": "¥", "textcent": "¢",
}  # fmt: skip
_CURRENCY_COMMAND = re.compile(rf"\\(?:{'|'.join(_CURRENCY_COMMANDS)})(?![A-Za-z])(?:\{{\}})?")
# US$5, and no second dollar: that would be a formula after a letter.
_COUNTRY_DOLLAR = re.compile(r"^([^$]*?)(?<![A-Za-z\\])[A-Z]{1,3}(\\?\$\s*-?[\d.])(?=[^$]*$)")


def _without_currency(text: str) -> tuple[str, set[str]]:
    """Return the text without currency signs other than $, and the units that they mean."""
    text = _CURRENCY_COMMAND.sub(
        lambda match: _CURRENCY_COMMANDS[match.group().strip("\\{}")], text
    )
    text = _COUNTRY_DOLLAR.sub(r"\1\2", text)
    if text.isascii():
        return text, set()
    signs = {sign for sign in text if sign != "$" and unicodedata.category(sign) == "Sc"}
    for sign in signs:
        text = text.replace(sign, " ")
    return text, {unit for sign in signs for unit in _CURRENCY_SIGNS.get(sign, (sign,))}


_MODULE = re.compile(
    r"(?<![\\\w.])(?:sympy|sp|sym|np|numpy|math|cmath|mpmath|mp|fractions|decimal|S)\.(?=[A-Za-z])"
)
_NUMPY_NUMBER = re.compile(
    r"(?<![\\\w.])(?:float|int|complex)(?:8|16|32|64|128)\(([^()]*)\)|mpf\(([^()]*)\)"
)
_SYMPIFIED = re.compile(r"(?<![\\\w.])S\(([^()]*)\)")
_QUOTED = re.compile(r"(?<=[A-Za-z]\()\s*(['\"])([^'\"()]*)\1\s*(?=\))")
_SET_NAMES = re.compile(r"(?<![\\\w])(?:EmptySet(?:\(\))?|set\(\))|(?<![\\\w])Reals(?!\w)")
_PYTHON_SETS = {"R": r"\mathbb{R}", "E": r"\emptyset"}
_IMAGINARY = re.compile(r"(?<=[\d.])j(?![\w^{(])")
_OTHER_UNITS = re.compile(r"(?<![A-Za-z\\])[iIk](?![A-Za-z])")
_SOLUTION = re.compile(
    r"(?<!\\)(?:^\[)?\{(\s*[A-Za-z]\w*\s*:[^:{}<>=|]+(?:,\s*[A-Za-z]\w*\s*:[^:{}<>=|]+)*)\}(?:\]$)?"
)


def _from_python(text: str) -> str:
    """Return an answer with Python's spellings replaced by LaTeX's."""
    if not re.search(r"[A-Za-z]", text):
        return text
    text = _MODULE.sub("", text)
    text = _QUOTED.sub(r"\2", text)
    text = _NUMPY_NUMBER.sub(lambda match: f"({match[1] or match[2]})", text)
    text = _SYMPIFIED.sub(r"(\1)", text)
    text = _SET_NAMES.sub(lambda match: _PYTHON_SETS["R" if "R" in match[0] else "E"], text)
    text = _SOLUTION.sub(lambda match: match[1].replace(":", "="), text)
    # In 3i + 2j, j is a direction.
    if not _OTHER_UNITS.search(text):
        text = _IMAGINARY.sub("i", text)
    if "&" in text and r"\begin" not in text:
        text = text.replace("&", r" \and ")
    return re.sub(r"\)\s*\|\s*\(", r") \\or (", text)
