"""How people say dates, times, numbers and durations that a schema wants in one form."""

import datetime
import random
from collections.abc import Callable

from umi_lite.data.synth.names import words
from umi_lite.data.synth.pools import choice

_ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
MONTHS = words(
    "January February March April May June July August September October November December"
)
WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
# Relative days that take no preposition: "on tomorrow" becomes "tomorrow".
NO_PREPOSITION = ("today", "tomorrow", "the day after tomorrow", "yesterday", "next ", "last ",
                  "this ")  # fmt: skip


def number_words(number: int) -> str:
    """Return a whole number from 0 to 100 in words."""
    if number < 20:
        return _ONES[number]
    if number == 100:
        return "one hundred"
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def say_integer(rng: random.Random, number: int) -> str:
    """Return a form of a whole number: digits, words up to 20, thousands with commas."""
    roll = rng.random()
    if roll < 0.25 and (0 <= number <= 20 or (0 <= number <= 100 and number % 10 == 0)):
        return number_words(number)
    if roll < 0.5 and number >= 10_000:
        return f"{number:,}"
    return str(number)


def say_number(number: float | int) -> str:
    """Return a number's digits."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `11th`."""
    teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def say_date(rng: random.Random, day: datetime.date) -> str:
    """Return an absolute form of a date, with its year."""
    month = MONTHS[day.month - 1]
    forms = (
        day.isoformat(),
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{month} {ordinal(day.day)}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
    )
    return choice(rng, forms, (4, 3, 2, 1, 1))


def relative_day(
    rng: random.Random, today: datetime.date, past: bool = False
) -> tuple[datetime.date, str]:
    """Return a day near today and how it is said.

    "Next Friday" and "this Friday" are the first Friday after today, "last Friday" the last one
    before it.
    """
    weekday = rng.randrange(7)
    ahead = (weekday - today.weekday() - 1) % 7 + 1
    back = (today.weekday() - weekday - 1) % 7 + 1
    some = rng.randint(3, 10)
    # Of a day so near, people may mean the one in the week after it.
    coming = "next" if ahead > 2 else "this coming"
    days = datetime.timedelta
    future: tuple[Callable[[], tuple[datetime.date, str]], ...] = (
        lambda: (today, "today"),
        lambda: (today + days(1), "tomorrow"),
        lambda: (today + days(2), "the day after tomorrow"),
        lambda: (today + days(ahead), f"{coming} {WEEKDAYS[weekday]}"),
        lambda: (today + days(ahead), f"this coming {WEEKDAYS[weekday]}"),
        lambda: (today + days(some), f"{number_words(some)} days from today"),
        lambda: (today + days(7), "a week from today"),
    )
    before: tuple[Callable[[], tuple[datetime.date, str]], ...] = (
        lambda: (today - days(1), "yesterday"),
        lambda: (today - days(back), f"last {WEEKDAYS[weekday]}"),
    )
    return choice(rng, before if past else future)()


def say_time(rng: random.Random, minutes: int) -> str:
    """Return a form of a time of day, `minutes` after midnight."""
    hour, minute = divmod(minutes, 60)
    if rng.random() < 0.35:
        return f"{hour:02d}:{minute:02d}"
    if (hour, minute) == (12, 0):
        return "noon"
    half = "am" if hour < 12 else "pm"
    twelve = (hour - 1) % 12 + 1
    roll = rng.random()
    part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    if minute == 30 and roll < 0.25:
        return f"half past {_ONES[twelve]} {part}"
    if minute == 15 and roll < 0.25:
        return f"a quarter past {_ONES[twelve]} {part}"
    if minute == 0:
        return f"{twelve} {half}" if roll < 0.7 else f"{_ONES[twelve]} o'clock {part}"
    return f"{twelve}:{minute:02d} {half}"


_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}


def say_duration(rng: random.Random, count: float | int, unit: str) -> str:
    """Return a form of a duration: 120 minutes → "two hours", 90 → "an hour and a half"."""
    seconds = count * _UNITS[unit]
    forms = [_many(rng, count, unit)]
    for larger in ("minutes", "hours", "weeks"):
        size = _UNITS[larger]
        if size > _UNITS[unit] and seconds >= size and seconds % size == 0:
            forms += [_many(rng, seconds // size, larger)] * 2
    if seconds == 5400 and unit in ("minutes", "seconds"):
        forms.append("an hour and a half")
    if seconds == 1800 and unit == "minutes":
        forms.append("half an hour")
    return choice(rng, forms)


def _many(rng: random.Random, count: float | int, unit: str) -> str:
    if count == 1:
        return f"{'an' if unit == 'hours' else 'one'} {unit[:-1]}"
    if isinstance(count, float) and not count.is_integer():
        return f"{say_number(count)} {unit}"
    return f"{say_integer(rng, int(count))} {unit}"


def say_percent(rng: random.Random, percent: float | int) -> str:
    """Return `15%` or `15 percent`."""
    return f"{say_number(percent)}{choice(rng, ('%', '%', ' percent'))}"


def listing(texts: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
