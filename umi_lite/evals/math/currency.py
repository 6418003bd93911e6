r"""Currency signs in an answer: `5€`, `£5`, `\euro 5`, `US$5`. Text only."""

import re
import unicodedata

CURRENCY_NAMES = {
    "euro": "euros eur", "gbp": "sterling quid", "yen": "jpy", "yuan": "cny rmb renminbi",
    "rupee": "rupees inr", "won": "krw", "ruble": "rubles rouble roubles", "franc": "francs chf",
}  # fmt: skip
"""Units by their other names, for the table of `math_text`."""

# A sign that several currencies share, or whose name a unit of weight has, agrees with each.
_SIGNS = {
    "€": ("euro",), "£": ("gbp", "lb"), "¥": ("yen", "yuan"), "₹": ("rupee",), "₩": ("won",),
    "₽": ("ruble",), "¢": ("cent",),
}  # fmt: skip
_COMMANDS = {
    "euro": "€", "texteuro": "€", "EUR": "€", "pounds": "£", "textsterling": "£",
    "mathsterling": "£", "yen": "¥", "textyen": "¥", "textcent": "¢",
}  # fmt: skip
_COMMAND = re.compile(rf"\\(?:{'|'.join(_COMMANDS)})(?![A-Za-z])(?:\{{\}})?")
# US$5, and no second dollar: that would be a formula after a letter.
_COUNTRY = re.compile(r"^([^$]*?)(?<![A-Za-z\\])[A-Z]{1,3}(\\?\$\s*-?[\d.])(?=[^$]*$)")


def without_currency(text: str) -> tuple[str, set[str]]:
    """Return the text without signs other than the dollar's, and the units that they stand for."""
    text = _COMMAND.sub(lambda match: _COMMANDS[match.group().strip("\\{}")], text)
    text = _COUNTRY.sub(r"\1\2", text)
    if text.isascii():
        return text, set()
    signs = {sign for sign in text if sign != "$" and unicodedata.category(sign) == "Sc"}
    for sign in signs:
        text = text.replace(sign, " ")
    return text, {unit for sign in signs for unit in _SIGNS.get(sign, (sign,))}
