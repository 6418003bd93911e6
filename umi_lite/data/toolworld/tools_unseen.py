"""Tools of the out-of-domain split alone: no training task offers them."""

import math

from umi_lite.data.toolworld.world import World
from umi_lite.tools.compute import number_text
from umi_lite.tools.tools import ToolError, unknown

# city: hours ahead of UTC, latitude, longitude (whole degrees are near enough)
CITIES = {
    "Madrid": (1, 40, -4), "Lisbon": (0, 39, -9), "Helsinki": (2, 60, 25), "Rome": (1, 42, 12),
    "Seoul": (9, 38, 127), "Manila": (8, 15, 121), "Havana": (-5, 23, -82),
    "Denver": (-7, 40, -105), "Chicago": (-6, 42, -88), "Dubai": (4, 25, 55),
    "Athens": (2, 38, 24), "Vienna": (1, 48, 16),
}  # fmt: skip
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
          (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip


def letter_count(text: str, letter: str) -> str:
    """How often a letter occurs in a text."""
    if len(letter) != 1:
        raise ToolError("give one letter")
    return str(text.lower().count(letter.lower()))


def utc_offset(city: str) -> str:
    """Hours that a city is ahead of UTC."""
    return str(_city(city)[0])


def distance(start: str, goal: str) -> str:
    """Kilometres between two cities."""
    (_, lat1, lon1), (_, lat2, lon2) = _city(start), _city(goal)
    a, b, turn = math.radians(lat1), math.radians(lat2), math.radians(lon2 - lon1)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
    return str(round(6371 * math.acos(min(1.0, cosine))))


def _city(name: str) -> tuple[int, int, int]:
    if name not in CITIES:
        raise unknown("city", name, CITIES)
    return CITIES[name]


def bmi(weight: float, height: float) -> str:
    """Body mass index from kg and metres."""
    if height <= 0:
        raise ToolError("height must be above 0")
    return number_text(weight / height**2)


def roman(number: int) -> str:
    """A number in Roman numerals."""
    if not 0 < number < 4000:
        raise ToolError("only 1 to 3999")
    text = ""
    for value, sign in _ROMAN:
        text += sign * (number // value)
        number %= value
    return text


class Library:
    """Books, their authors and shelves."""

    def __init__(self, world: World):
        self._world = world

    def _book(self, title: str) -> list[str]:
        if title not in self._world.books:
            raise unknown("book", title, self._world.books)
        return self._world.books[title]

    def book_author(self, title: str) -> str:
        """Who wrote a library book."""
        return self._book(title)[0]

    def book_shelf(self, title: str) -> str:
        """The shelf of a library book."""
        return self._book(title)[1]

    def reserve_book(self, title: str) -> str:
        """Reserve a library book."""
        self._book(title)
        self._world.reserved.append(title)
        return f"reserved {title}"


FUNCTIONS = (letter_count, utc_offset, distance, bmi, roman)
