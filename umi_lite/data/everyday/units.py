"""Units as people write them, for every unit that the tool `convert` knows."""

import random
from functools import cache

from umi_lite.tools.compute import UNITS

# One of it, several, and further ways to write several.
_SAID: dict[str, tuple[str, ...]] = {
    "km": ("kilometre", "kilometres", "km", "km", "kilometers"),
    "m": ("metre", "metres", "m", "m", "meters"),
    "cm": ("centimetre", "centimetres", "cm", "cm", "centimeters"),
    "miles": ("mile", "miles", "miles", "mi"),
    "feet": ("foot", "feet", "feet", "ft"),
    "inches": ("inch", "inches", "inches"),
    "kg": ("kilo", "kilos", "kg", "kg", "kilograms"),
    "g": ("gram", "grams", "g", "g"),
    "pounds": ("pound", "pounds", "pounds", "lbs", "lb"),
    "litres": ("litre", "litres", "liters", "l"),
    "gallons": ("gallon", "gallons", "gallons"),
    "cups": ("cup", "cups", "cups"),
    "days": ("day", "days", "days"),
    "weeks": ("week", "weeks", "weeks"),
    "hours": ("hour", "hours", "hours", "h"),
    "minutes": ("minute", "minutes", "minutes", "min"),
    "seconds": ("second", "seconds", "seconds", "s"),
}


@cache
def unit_pairs() -> tuple[tuple[str, str], ...]:
    """Return the pairs of units of one kind of which neither is over 10,000 times the other."""
    return tuple(
        (unit, to)
        for unit, (kind, factor) in UNITS.items()
        for to, (other, divisor) in UNITS.items()
        if unit != to and kind == other and 1e-4 <= factor / divisor <= 1e4
    )


def said_unit(rng: random.Random, unit: str) -> str:
    """Return a unit as people write several of it."""
    # Single letters are written after numbers only.
    return rng.choice([said for said in _SAID[unit][1:] if len(said) > 1])


def said_amount(rng: random.Random, unit: str) -> tuple[str, str]:
    """Return a number as a call has it, and it with its unit as people write them."""
    one = _SAID[unit][0]
    if rng.random() < 0.12:
        an = "an" if one[0] in "aio" or one == "hour" else "a"
        return rng.choice((("1", f"{an} {one}"), ("1", f"one {one}"), ("0.5", f"half {an} {one}")))
    said = rng.choice(_SAID[unit][1:])
    value = rng.choice((rng.randint(2, 40), rng.randint(2, 900), rng.randint(100, 9500)))
    plain = str(value)
    if rng.random() < 0.25:
        plain = f"{rng.randint(1, 90)}.{rng.choice('123456789')}"
    written = f"{value:,}" if plain == str(value) and rng.random() < 0.6 else plain
    joint = "" if len(said) < 3 and rng.random() < 0.5 else " "
    return plain, f"{written}{joint}{said}"
