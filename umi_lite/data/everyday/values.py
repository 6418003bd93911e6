"""Draws what a request is about: each value as its call has it, and as people write it."""

import datetime
import random
from collections.abc import Callable, Iterable

from umi_lite.data.everyday import words
from umi_lite.data.everyday.goals import EverydayGoal, Split
from umi_lite.data.everyday.units import said_amount, said_unit, unit_pairs
from umi_lite.data.everyday.world import World
from umi_lite.data.toolworld.generate import Misfit
from umi_lite.data.toolworld.pools import split_of
from umi_lite.data.toolworld.template_values import Values
from umi_lite.data.toolworld.wording import capital

_NUMBER_WORDS = words.words("zero one two three four five six seven eight nine ten eleven twelve")
# How people write an amount, and the money's name in answers.
_MONEY = (
    ("${x}", "dollars"), ("${x}", "dollars"), ("{x} dollars", "dollars"), ("€{x}", "euros"),
    ("{x} euros", "euros"), ("{x} EUR", "euros"), ("{x}€", "euros"), ("£{x}", "pounds"),
)  # fmt: skip
_QUOTES = ("'{}'", '"{}"', "“{}”")
_DATES = ("%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d", "%B {d}, %Y", "{d} %B %Y", "%b {d}, %Y")
_SPANS = ((7, "a week"), (14, "two weeks"), (14, "2 weeks"), (21, "three weeks"), (28, "4 weeks"))


_PACKS = (("pairs", 2), ("dozens", 12), ("hundreds", 100))
_FRACTIONS = (
    (3, 4, "three quarters"), (3, 4, "3/4"), (2, 3, "two thirds"), (2, 3, "2/3"),
    (2, 5, "two fifths"), (3, 5, "three fifths"), (5, 6, "five sixths"), (3, 8, "3/8"),
)  # fmt: skip


class Value(str):
    """A value as a call has it; `{name:said}` and other forms are how people write it."""

    forms: dict[str, str]

    def __new__(cls, plain: str, **forms: str) -> "Value":
        made = super().__new__(cls, plain)
        made.forms = forms
        return made

    def __format__(self, spec: str) -> str:
        return self.forms[spec] if spec else str(self)


def draw(
    names: Iterable[str], goal: EverydayGoal | None, rng: random.Random, world: World, split: Split
) -> Values:
    """Return values of a split: none of it is drawn, all together, in the other one.

    Args:
        names: of `GENERATORS`, which may change the world.
        goal: whose numbers are drawn too.

    Raises:
        Misfit: this world has none.
    """
    part = "train" if split == "train" else "test"
    names = list(names)
    for _ in range(50):
        values: Values = {}
        for name in names:
            values |= GENERATORS[name](rng, world)
        if goal is not None and goal.numbers:
            values |= _numbers(goal, rng)
        drawn = " | ".join(f"{key}={value!s}" for key, value in values.items())
        if not values or split_of("everyday", drawn) == part:
            return values
    raise Misfit(f"no values of {names} in this world are in split {split}")


def _numbers(goal: EverydayGoal, rng: random.Random) -> Values:
    style, money = rng.choice(_MONEY)
    values: Values = {"cur": money}
    percent = rng.choice(("{}%", "{}%", "{} percent", "{} per cent"))
    for name, bounds in goal.numbers.items():
        low, high, step = (*bounds, 1)[:3]
        number = low + rng.randint(0, round((high - low) / step)) * step
        plain = f"{number:.1f}" if step == 0.1 else f"{number:.2f}"
        plain = plain.removesuffix(".00").removesuffix(".0")
        values[name] = Value(
            plain,
            said=_said(plain, rng),
            money=style.format(x=_grouped(plain) if rng.random() < 0.5 else plain),
            pct=percent.format(plain),
        )
    return values


def _said(plain: str, rng: random.Random) -> str:
    if plain.isdigit() and int(plain) <= 12 and rng.random() < 0.35:
        return _NUMBER_WORDS[int(plain)]
    return _grouped(plain) if rng.random() < 0.6 else plain


def _grouped(plain: str) -> str:
    """Return a number with commas between its thousands."""
    whole, dot, rest = plain.partition(".")
    return f"{int(whole):,}{dot}{rest}"


def _quoted(text: str, rng: random.Random) -> str:
    return rng.choice(_QUOTES).format(text)


def _item(text: str, rng: random.Random) -> Value:
    quoted = _quoted(text, rng)
    return Value(text, quoted=quoted, said=quoted if rng.random() < 0.35 else text)


def _as_written(text: str, rng: random.Random) -> str:
    """Return a text, in a few cases with a capital letter, or two words of it with a comma."""
    style = rng.random()
    if style < 0.15:
        return capital(text)
    first, _, rest = text.partition(" ")
    return f"{capital(first)}, {rest}!" if style < 0.22 and rest else text


def _date_value(date: datetime.date, rng: random.Random) -> Value:
    said = date.strftime(rng.choice(_DATES)).replace("{d}", str(date.day))
    return Value(date.isoformat(), said=said)


def _some_date(rng: random.Random) -> datetime.date:
    return datetime.date(2023, 1, 1) + datetime.timedelta(days=rng.randrange(1700))


def _dates(rng: random.Random, world: World) -> Values:
    start = _some_date(rng)
    end = start + datetime.timedelta(days=rng.randint(3, 220))
    return {"date": _date_value(start, rng), "end": _date_value(end, rng)}


def _soon(rng: random.Random, world: World) -> Values:
    start = datetime.date.fromisoformat(world.today)
    return {"date": _date_value(start + datetime.timedelta(days=rng.randint(3, 250)), rng)}


def _past(rng: random.Random, world: World) -> Values:
    today = datetime.date.fromisoformat(world.today)
    days = rng.choice((rng.randint(3, 400), rng.randint(400, 15000)))
    return {"date": _date_value(today - datetime.timedelta(days=days), rng)}


def _span(rng: random.Random, world: World) -> Values:
    if rng.random() < 0.3:
        days, said = rng.choice(_SPANS)
        return {"days": Value(str(days), said=said)}
    days = rng.choice((rng.randint(2, 30), rng.randint(2, 250)))
    return {"days": Value(str(days), said=f"{_said(str(days), rng)} days")}


def _units(rng: random.Random, world: World) -> Values:
    unit, to = rng.choice(unit_pairs())
    plain, amount = said_amount(rng, unit)
    return {
        "value": Value(plain, amount=amount),
        "unit": unit,
        "to": Value(to, said=said_unit(rng, to)),
    }


def _lengths(rng: random.Random, world: World) -> Values:
    unit, to = rng.choice(unit_pairs())
    return {
        "unit": Value(unit, said=said_unit(rng, unit)),
        "to": Value(to, said=said_unit(rng, to)),
    }


def _times(rng: random.Random, world: World) -> Values:
    unit, to = rng.choice((("weeks", "days"), ("days", "hours"), ("hours", "minutes")))
    value = str(rng.randint(2, 20))
    amount = f"{_said(value, rng)} {unit}"
    return {"value": Value(value, amount=amount), "unit": unit, "to": Value(to, said=to)}


def _text(rng: random.Random, world: World) -> Values:
    if rng.random() < 0.6:
        text = rng.choice(words.SENTENCES)
    else:
        text = " ".join(rng.sample(words.WORDS, rng.randint(2, 5)))
    text = _as_written(text, rng)
    return {"text": Value(text, quoted=_quoted(text, rng))}


def _reversible(rng: random.Random, world: World) -> Values:
    text = " ".join(rng.sample(words.WORDS, rng.choice((1, 1, 1, 2))))
    return {"text": Value(text, quoted=_quoted(text, rng))}


def _letter(rng: random.Random, world: World) -> Values:
    text = rng.choice(words.WORDS)
    letter = rng.choice(text)
    return {
        "text": Value(text, quoted=_quoted(text, rng)),
        "letter": Value(letter, quoted=_quoted(letter, rng)),
    }


def _fraction(rng: random.Random, world: World) -> Values:
    part, of, said = rng.choice(_FRACTIONS)
    return {"part": Value(str(part), said=said), "of": str(of)}


def _pack(rng: random.Random, world: World) -> Values:
    size = rng.choice((6, 8, 10, 24))
    name, size = rng.choice((*_PACKS, (f"{rng.choice(('packs', 'boxes'))} of {size}", size)))
    return {"pack": name, "size": str(size)}


def _errand(rng: random.Random, world: World) -> Values:
    return _new_items(rng, world, words.ERRANDS)


def _ware(rng: random.Random, world: World) -> Values:
    return _new_items(rng, world, words.WARES)


def _new_items(rng: random.Random, world: World, known: list[str]) -> Values:
    free = [item for item in known if item not in world.todo]
    one, two, three = (_item(item, rng) for item in rng.sample(free, 3))
    return {"item": one, "item2": two, "item3": three}


def _open_item(rng: random.Random, world: World) -> Values:
    item = rng.choice(world.todo)
    return {"item": _item(item, rng), "item_typo": _item(_typo(item, rng), rng)}


def _empty_list(rng: random.Random, world: World) -> Values:
    world.todo.clear()
    return {}


def _typo(text: str, rng: random.Random) -> str:
    """Return a text with two letters swapped, or one of them dropped or doubled."""
    letters = [i for i in range(1, len(text) - 1) if text[i : i + 2].isalpha()]
    at = rng.choice([i for i in letters if text[i] != text[i + 1]])
    one, two = text[at], text[at + 1]
    return text[:at] + rng.choice((two + one, one, one + one + two)) + text[at + 2 :]


def _file(rng: random.Random, world: World) -> Values:
    file = rng.choice(sorted(world.files))
    # The ending is not misspelt.
    stem, dot, end = file.rpartition(".")
    return {"file": _item(file, rng), "file_typo": _item(_typo(stem, rng) + dot + end, rng)}


def _short_file(rng: random.Random, world: World) -> Values:
    """Return a file of one line: its text is an argument of the next call."""
    file = rng.choice(sorted(world.files))
    world.files[file] = rng.choice(words.FILE_LINES)
    return {"file": _item(file, rng)}


def _unknown_file(rng: random.Random, world: World) -> Values:
    free = [path for path in words.FILE_PATHS if path not in world.files]
    return {"file": _item(rng.choice(free), rng)}


def _needle(rng: random.Random, world: World) -> Values:
    said = [word for text in world.files.values() for word in text.split() if len(word) > 3]
    needle = rng.choice(said).strip(",.:").removesuffix("'s")
    return {"needle": Value(needle, quoted=_quoted(needle, rng))}


def _missing_needle(rng: random.Random, world: World) -> Values:
    needle = rng.choice(words.WORDS)
    return {"needle": Value(needle, quoted=_quoted(needle, rng))}


def _things(rng: random.Random, world: World) -> Values:
    thing, thing2 = rng.sample(words.THINGS, 2)
    return {"thing": thing, "thing2": thing2}


def _one_of(slot: str, known: list[str]) -> Callable[[random.Random, World], Values]:
    return lambda rng, world: {slot: rng.choice(known)}


GENERATORS: dict[str, Callable[[random.Random, World], Values]] = {
    "date": lambda rng, world: {"date": _date_value(_some_date(rng), rng)},
    "dates": _dates,
    "soon": _soon,
    "past": _past,
    "span": _span,
    "units": _units,
    "lengths": _lengths,
    "times": _times,
    "text": _text,
    "reversible": _reversible,
    "letter": _letter,
    "fraction": _fraction,
    "pack": _pack,
    "errand": _errand,
    "ware": _ware,
    "open_item": _open_item,
    "empty_list": _empty_list,
    "files": lambda rng, world: {},
    "file": _file,
    "short_file": _short_file,
    "unknown_file": _unknown_file,
    "needle": _needle,
    "missing_needle": _missing_needle,
    "thing": _things,
    "two_things": _things,
    "one_thing": _one_of("one_thing", words.ONE_THING),
    "group": _one_of("group", words.GROUPS),
    "people": _one_of("people", words.PEOPLE),
    "name": _one_of("name", words.NAMES),
    "place": _one_of("city", words.CITIES),
}
