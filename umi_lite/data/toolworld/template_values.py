"""Draws a task's values: each generator gives one or more texts to fill templates with."""

import datetime
import random
from collections.abc import Callable

from umi_lite.data.toolworld import pools
from umi_lite.data.toolworld.pools import draw, pool
from umi_lite.data.toolworld.tools import MONEY_NAMES
from umi_lite.data.toolworld.tools_unseen import CITIES
from umi_lite.data.toolworld.world import World
from umi_lite.tools.compute import ALIASES

Values = dict[str, str]
CONVERSIONS = (
    "km miles", "miles km", "m feet", "feet m", "cm inches", "inches cm", "kg pounds", "g kg",
    "pounds kg", "litres gallons", "gallons litres", "cups litres", "hours minutes",
    "days hours", "weeks days", "minutes seconds", "km m", "m cm",
)  # fmt: skip
# Values that come from are a small closed set: the same ones in every split.
CLOSED = frozenset({"unit", "to", "good", "money", "money2", "money_name", "letter"})


def _number(rng: random.Random, world: World, slot: str, low: int, high: int) -> str:
    return str(draw(rng, slot, world.split, lambda: rng.randint(low, high)))


def _date(rng: random.Random) -> datetime.date:
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=rng.randrange(1800))


def _date_of(rng: random.Random, world: World) -> datetime.date:
    return draw(rng, "date", world.split, lambda: _date(rng))


def _dates(rng: random.Random, world: World) -> Values:
    start = _date_of(rng, world)
    end = draw(
        rng, "date", world.split, lambda: start + datetime.timedelta(days=rng.randint(3, 99))
    )
    return {"date": start.isoformat(), "end": end.isoformat()}


def _times(rng: random.Random, world: World) -> Values:
    def make() -> tuple[int, int]:
        start = rng.randrange(6 * 60, 15 * 60, 5)
        return start, start + rng.randrange(20, 8 * 60, 5)

    start, end = (f"{m // 60:02d}:{m % 60:02d}" for m in draw(rng, "times", world.split, make))
    return {"times": f"{start} {end}", "time": start, "time2": end}


def _phrase(rng: random.Random, world: World) -> Values:
    make = lambda: " ".join(rng.sample(pools.WORDS, rng.randint(2, 4)))  # noqa: E731
    return {"phrase": draw(rng, "phrase", world.split, make)}


def _word(rng: random.Random, world: World) -> Values:
    return {"word": rng.choice(pool("word", pools.WORDS, world.split))}


def _expression(rng: random.Random, world: World) -> Values:
    def make() -> str:
        a, b, c = (rng.randint(2, 99) for _ in range(3))
        forms = ("{a} * {b}", "{a} + {b}", "{a} - {b}", "{a} * {b} + {c}", "({a} + {b}) * {c}")
        return rng.choice(forms).format(a=a, b=b, c=c)

    return {"expression": draw(rng, "expression", world.split, make)}


def _sums(rng: random.Random, world: World) -> Values:
    a, b = draw(rng, "sums", world.split, lambda: (rng.randint(11, 99), rng.randint(3, 99)))
    return {"sums": f"{a} {b}", "a": str(a), "b": str(b)}


def _numbers(rng: random.Random, world: World) -> Values:
    make = lambda: ", ".join(str(rng.randint(2, 99)) for _ in range(rng.randint(3, 4)))  # noqa: E731
    return {"numbers": draw(rng, "numbers", world.split, make)}


def _units(rng: random.Random, world: World) -> Values:
    unit, to = rng.choice(CONVERSIONS).split()
    return {
        "value": _number(rng, world, "value", 2, 400),
        "unit": unit,
        "to": to,
        "good": ALIASES.get(unit, unit),
    }


def _money(rng: random.Random, world: World) -> Values:
    money, money2 = rng.sample(sorted(pools.MONEY), 2)
    amount = _number(rng, world, "amount", 5, 400)
    name = rng.choice(sorted(MONEY_NAMES))
    source = rng.choice(("EUR", "CAD", "AUD"))
    return {
        "amount": amount,
        "money": money,
        "money2": money2,
        "abroad": rng.choice(["USD", "GBP", "SEK"]),
        "money_name": name,
        "good": MONEY_NAMES[name],
        "source": source,
    }


def _typo(rng: random.Random, text: str) -> str:
    """Return a text with a letter of its last word changed, dropped or doubled; never the same."""
    at = rng.randrange(text.rindex(" ") + 2, len(text))
    letter = rng.choice([c for c in "aeiostz" if c != text[at]])
    return text[:at] + rng.choice([letter, text[at] * 2]) + text[at + 1 :]


def _person(rng: random.Random, world: World) -> Values:
    name, other = rng.sample(sorted(world.contacts), 2)
    return {"person": name, "person2": other, "person_typo": _typo(rng, name)}


def _products(rng: random.Random, world: World) -> Values:
    one, two, gone = rng.sample(world.products, 3)
    return {"product": one, "product2": two, "typo": _typo(rng, gone), "right": gone}


def _gone_product(rng: random.Random, world: World) -> Values:
    """Return a product whose name resembles none of the shop's."""
    names = pools.pairs(("velvet", "wooden", "marble"), ("statue", "flute", "helmet", "puzzle"))
    return {"gone": rng.choice(pool("gone", names, world.split) or names)}


def _orders(rng: random.Random, world: World) -> Values:
    order = rng.choice(world.orders)
    return {"order": order, "bare": order[1:]}


def _items(rng: random.Random, world: World) -> Values:
    mine = [item for item, _ in world.todo]
    names = pools.pairs(pools.VERBS, pools.NOUNS, " the ")
    free = [item for item in pool("item", names, world.split) if item not in mine]
    item, item2 = rng.sample(free, 2)
    task = rng.choice(mine)
    return {"item": item, "item2": item2, "task": task, "task_typo": _typo(rng, task)}


def _place(rng: random.Random, world: World) -> Values:
    entry = rng.choice(pool("country", pools.countries(), world.split))
    return {"country": entry.name, "city": entry.city}


def _cities(rng: random.Random, world: World) -> Values:
    city, city2 = rng.sample(sorted(CITIES), 2)
    return {"town": city, "town2": city2}


def _body(rng: random.Random, world: World) -> Values:
    return {"weight": str(rng.randint(48, 110)), "height": f"1.{rng.randint(50, 98)}".rstrip("0")}


def _letter(rng: random.Random, world: World) -> Values:
    word = _word(rng, world)
    return {**word, "letter": rng.choice(word["word"])}


def _book(rng: random.Random, world: World) -> Values:
    title = rng.choice(sorted(world.books))
    return {"book": title, "book_typo": _typo(rng, title)}


def _numeric(slot: str, low: int, high: int) -> Callable[[random.Random, World], Values]:
    return lambda rng, world: {slot: _number(rng, world, slot, low, high)}


GENERATORS: dict[str, Callable[[random.Random, World], Values]] = {
    "count": _numeric("count", 2, 40),
    "days": _numeric("days", 3, 99),
    "rate": _numeric("rate", 3, 60),
    "year": _numeric("year", 12, 2400),
    "date": lambda rng, world: {"date": _date_of(rng, world).isoformat()},
    "dates": _dates,
    "times": _times,
    "phrase": _phrase,
    "word": _word,
    "expression": _expression,
    "sums": _sums,
    "numbers": _numbers,
    "units": _units,
    "money": _money,
    "person": _person,
    "product": _products,
    "gone": _gone_product,
    "order": _orders,
    "item": _items,
    "place": _place,
    "cities": _cities,
    "body": _body,
    "letter": _letter,
    "book": _book,
}
