"""Text values by kind: a city, an email, an id, a date in the form that a description asks for."""

import random
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from umi_lite.data.synth import spoken
from umi_lite.data.synth.choices import COUNTRIES, CURRENCIES, LANGUAGES, examples_of
from umi_lite.data.synth.drawing import Drawing, Said, described
from umi_lite.data.synth.moments import date, date_time, time
from umi_lite.data.synth.names import entity_of, words_of
from umi_lite.data.synth.pools import POOLS, Split, choice, draw

TIMEZONES = (
    "Europe/Paris", "Asia/Tokyo", "America/New_York", "Europe/London", "Asia/Kolkata", "UTC",
    "Australia/Sydney", "America/Chicago", "Africa/Nairobi", "America/Sao_Paulo",
)  # fmt: skip
COLORS = ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "grey", "pink")


def text_of(kind: str, d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    """Return a text of a kind; `word` where the kind has no generator."""
    made = TEXTS.get(kind)
    if made is not None:
        return made(d, name, facts)
    if kind in POOLS:
        said = d.pick(kind)
        return said, said
    return _plain(d.pick("word"))


def _plain(text: str) -> Said:
    return text, text


def _person(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    make = lambda: f"{choice(d.rng, POOLS['first_name'])} {choice(d.rng, POOLS['last_name'])}"  # noqa: E731
    return _plain(draw(d.rng, "person", d.split, make))


def _lower(d: Drawing, slot: str) -> str:
    return d.pick(slot).lower().replace(" ", "")


def _domain(d: Drawing) -> str:
    return draw(d.rng, "domain", d.split, lambda: choice(d.rng, _STEMS) + choice(d.rng, _ENDS))


_STEMS = tuple(dict.fromkeys(domain.partition(".")[0] for domain in POOLS["domain"]))
_ENDS = (".com", ".org", ".net", ".io", ".dev", ".co")


def _email(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    user = choice(d.rng, ("{f}.{l}", "{f}{n}", "{f}", "{f}_{l}")).format(
        f=choice(d.rng, POOLS["first_name"]).lower(), l=choice(d.rng, POOLS["last_name"]).lower(),
        n=d.rng.randint(2, 99),
    )  # fmt: skip
    return _plain(f"{user}@{_domain(d)}")


def _username(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(
        f"{_lower(d, 'first_name')}{choice(d.rng, ('_', '', '-'))}{d.rng.randint(10, 999)}"
    )


def _phone(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    make = lambda: f"+{d.rng.randint(30, 49)} {d.rng.randint(100, 999)} {d.rng.randint(1000, 9999)}"  # noqa: E731
    text = draw(d.rng, "phone", d.split, make)
    return (text.replace(" ", ""), text) if "e.164" in described(facts) else _plain(text)


def _url(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"https://{_domain(d)}/{d.pick('folder')}/{d.rng.randint(10, 9999)}")


def _path(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    about = described(facts) + " " + " ".join(d.about) + " " + name.lower()
    ending = next(
        (end for word, end in _ENDINGS.items() if word in about),
        choice(d.rng, ("txt", "md", "csv", "pdf", "json")),
    )
    stem = f"{d.pick('stem')}{choice(d.rng, ('', '', f'-{d.rng.randint(2, 30)}', '_final'))}"
    if "name" in words_of(name) and "path" not in words_of(name):
        return _plain(f"{stem}.{ending}")
    root = choice(d.rng, ("/home/{u}/{f}", "/data/{f}", "{f}", "/srv/{f}"))
    folder = root.format(u=_lower(d, "first_name"), f=d.pick("folder"))
    return _plain(f"{folder}/{stem}.{ending}")


_ENDINGS = {
    "image": "png", "photo": "jpg", "picture": "jpg", "video": "mp4", "audio": "mp3", "csv": "csv",
    "media": "png", "excel": "xlsx", "spreadsheet": "xlsx", "pdf": "pdf", "markdown": "md",
}  # fmt: skip


def _folder(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    root = choice(d.rng, ("/home/{u}/{f}", "/data/{f}", "/srv/{f}/{g}", "/home/{u}/{f}/{g}"))
    return _plain(
        root.format(u=_lower(d, "first_name"), f=d.pick("folder"), g=choice(d.rng, POOLS["folder"]))
    )


def _address(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"{d.rng.randint(1, 180)} {d.pick('street')}, {d.pick('city')}")


def _street(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"{d.rng.randint(1, 180)} {d.pick('street')}")


def id_text(rng: random.Random, entity: str, split: Split) -> str:
    """Return an id; one entity's ids all have the same style."""
    style = zlib.crc32(f"style {entity}".encode()) % 4
    stem = entity.rpartition("_")[2] or "ref"

    def make() -> str:
        number = rng.randint(1000, 99999)
        letters = "".join(choice(rng, "ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2))
        return (
            f"{stem[:3].upper()}-{number}",
            f"{stem[:4]}_{number}",
            f"{stem[:1].upper()}{number}",
            f"{letters}{number}",
        )[style]

    return draw(rng, "id", split, make)


def _id(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    example = next(iter(examples_of(facts)), None)
    if isinstance(example, str) and re.search(r"\d{2}", example):
        return _plain(_like(d, example))
    entity = entity_of(name) or "_".join(sorted(d.about)[:1])
    return _plain(id_text(d.rng, entity, d.split))


def _like(d: Drawing, example: str) -> str:
    """Return a text like an example, its digits drawn again."""
    make = lambda: re.sub(r"\d", lambda _: str(d.rng.randint(1, 9)), example)  # noqa: E731
    return draw(d.rng, "id", d.split, make)


def _uuid(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    digits = f"{d.rng.getrandbits(128):032x}"
    return _plain(f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}")


def _wants_code(facts: Mapping[str, Any], example: str) -> bool:
    examples = " ".join(map(str, examples_of(facts))).lower()
    named = f"{described(facts)} {examples} {facts.get('default')}"
    return bool(re.search(rf"\b(?:codes?|iso|{example})\b", named)) or facts.get("maxLength") in (
        2,
        3,
    )


def _language(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    label = choice(d.rng, tuple(LANGUAGES))
    code = LANGUAGES[label]
    if (
        "code" in words_of(name)
        or name == "lang"
        or "locale" in words_of(name)
        or _wants_code(facts, "en")
    ):
        return code, label
    return label, label


def _country(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    label = choice(d.rng, tuple(COUNTRIES))
    if "code" in words_of(name) or _wants_code(facts, "us"):
        return COUNTRIES[label], label
    return label, label


def _currency(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    code = choice(d.rng, tuple(CURRENCIES))
    return code, choice(d.rng, (code, CURRENCIES[code]))


def _iso_duration(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    count = d.rng.randint(1, 12)
    unit, mark = choice(d.rng, (("hours", "PT{}H"), ("minutes", "PT{}M"), ("days", "P{}D")))
    count *= 5 if unit == "minutes" else 1
    return mark.format(
        count
    ), f"{spoken.number_words(count) if count <= 20 else count} {unit if count > 1 else unit[:-1]}"


def _expression(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    def make() -> str:
        a, b, c = (d.rng.randint(2, 99) for _ in range(3))
        form = choice(d.rng, ("{a} * {b}", "{a} + {b}", "({a} + {b}) * {c}", "{a} * {b} - {c}"))
        if re.search(
            r"function|equation|derivative|integra|polynom", f"{name} {described(facts)}".lower()
        ):
            form = choice(d.rng, ("{a}*x**2 + {b}*x", "{a}*x**3 - {c}", "x**2 - {b}*x + {c}"))
        return form.format(a=a, b=b, c=c)

    return _plain(draw(d.rng, "expression", d.split, make))


def _sql(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    table = choice(d.rng, ("orders", "users", "books", "invoices", "products", "events"))
    return _plain(f"SELECT * FROM {table} WHERE id = {d.rng.randint(10, 9999)}")


def _topic(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    for word, slot in _TOPICS.items():
        if word in d.about:
            return _plain(d.pick(slot))
    return _plain(d.pick("topic"))


_TOPICS = {
    "product": "product", "song": "song", "recipe": "ingredient", "book": "book",
    "movie": "movie", "track": "song", "restaurant": "cuisine", "job": "job", "event": "event",
    "item": "product", "drug": "medicine", "music": "artist", "film": "movie", "food": "dish",
    "plant": "plant", "city": "city", "location": "city", "place": "landmark",
    "contact": "first_name", "user": "first_name", "file": "stem", "stock": "company",
    "company": "company", "workout": "exercise", "hotel": "hotel",
}  # fmt: skip


def _message(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    text = d.pick("message")
    text = text[:1].upper() + text[1:]
    return _plain(text + choice(d.rng, ("", "", "!", ".")) if "?" not in text else text)


def _color(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    if "hex" in described(facts) or "hex" in name.lower():
        return _plain(f"#{d.rng.getrandbits(24):06x}")
    return _plain(choice(d.rng, COLORS))


def _join(*parts: str) -> Callable[[Drawing, str, Mapping[str, Any]], Said]:
    return lambda d, name, facts: _plain("".join(p if p in "/ .-" else _lower(d, p) for p in parts))


def _password(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"{d.pick('word').capitalize()}{d.rng.randint(10, 99)}{d.pick('word')}!")


def _revision(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    number = f"{d.rng.getrandbits(28):07x}"
    return _plain(choice(d.rng, (number, number, f"HEAD~{d.rng.randint(1, 9)}", "HEAD")))


TEXTS: dict[str, Callable[[Drawing, str, Mapping[str, Any]], Said]] = {
    "person": _person, "email": _email, "username": _username, "phone": _phone, "url": _url,
    "path": _path, "folder": _folder, "address": _address, "id": _id, "uuid": _uuid,
    "language": _language, "country": _country, "currency": _currency, "date": date, "time": time,
    "datetime": date_time, "iso_duration": _iso_duration, "topic": _topic,
    "expression": _expression, "sql": _sql, "password": _password, "message": _message,
    "color": _color, "revision": _revision,
    "street": _street, "repo": _join("company", "/", "project"), "glob": lambda d, n,
    f: _plain(f"*.{choice(d.rng, ('txt', 'md', 'py', 'csv', 'log', 'json'))}"), "host": lambda d,
    n, f: _plain(_domain(d)), "zip": lambda d, n,
    f: _plain(str(d.rng.randint(10000, 99999))), "ip": lambda d, n,
    f: _plain(".".join(str(d.rng.randint(2, 250)) for _ in range(4))), "ipv6": lambda d, n,
    f: _plain(f"2001:db8::{d.rng.randint(2, 9999):x}"), "version": lambda d, n,
    f: _plain(f"{d.rng.randint(1, 9)}.{d.rng.randint(0, 20)}.{d.rng.randint(0, 9)}"),
    "timezone": lambda d, n, f: _plain(choice(d.rng, TIMEZONES)), "latitude": lambda d, n,
    f: _plain(f"{d.rng.uniform(-60, 65):.2f}"), "longitude": lambda d, n,
    f: _plain(f"{d.rng.uniform(-120, 150):.2f}"), "weekday": lambda d, n,
    f: _plain(choice(d.rng, spoken.WEEKDAYS)), "status": lambda d, n,
    f: _plain(choice(d.rng, ("active", "pending", "completed", "on hold"))),
    "condition": lambda d, n,
    f: _plain( choice(d.rng, ("sunny", "cloudy", "light rain", "snow", "foggy", "windy")) ),
}  # fmt: skip
