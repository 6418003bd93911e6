"""Text values by kind: a city, an email, an id, a date in the form that a description asks for."""

import datetime
import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.synth import spoken
from umi_lite.data.synth.names import words_of
from umi_lite.data.synth.pools import POOLS, Split, choice, draw, pick

Said = tuple[Any, str]
"""A value in the schema's form, and how the instruction says it."""


@dataclass
class Drawing:
    """What values are drawn with.

    Attributes:
        today: the day that relative dates count from.
        relative: set to True once a value was said relative to `today`.
        allow_relative: False where nothing states today's date (a result).
        about: content words of the tool's name.
    """

    rng: random.Random
    split: Split
    today: datetime.date
    allow_relative: bool = True
    relative: bool = False
    about: frozenset[str] = frozenset()
    defs: Mapping[str, Any] = field(default_factory=dict)

    def pick(self, slot: str) -> str:
        return pick(self.rng, slot, self.split)


LANGUAGES = {
    "French": "fr", "German": "de", "Spanish": "es", "Italian": "it", "Portuguese": "pt",
    "Dutch": "nl", "Polish": "pl", "Swedish": "sv", "Japanese": "ja", "Korean": "ko",
    "Turkish": "tr", "Greek": "el", "Arabic": "ar", "Hindi": "hi", "Finnish": "fi", "Czech": "cs",
    "English": "en", "Danish": "da", "Norwegian": "no", "Chinese": "zh",
}  # fmt: skip
COUNTRIES = {
    "France": "FR", "Germany": "DE", "Spain": "ES", "Italy": "IT", "Portugal": "PT", "Poland": "PL",
    "Sweden": "SE", "Norway": "NO", "Japan": "JP", "Brazil": "BR", "Canada": "CA", "Mexico": "MX",
    "India": "IN", "Kenya": "KE", "Chile": "CL", "Greece": "GR", "Turkey": "TR", "Egypt": "EG",
    "Finland": "FI", "Ireland": "IE", "Peru": "PE", "Vietnam": "VN", "Morocco": "MA", "Iceland": "IS",
}  # fmt: skip
CURRENCIES = {
    "EUR": "euros", "USD": "US dollars", "GBP": "British pounds", "JPY": "Japanese yen",
    "CHF": "Swiss francs", "CAD": "Canadian dollars", "SEK": "Swedish kronor", "PLN": "Polish zloty",
    "INR": "Indian rupees", "BRL": "Brazilian reais", "MXN": "Mexican pesos", "TRY": "Turkish lira",
}  # fmt: skip
TIMEZONES = (
    "Europe/Paris", "Asia/Tokyo", "America/New_York", "Europe/London", "Asia/Kolkata", "UTC",
    "Australia/Sydney", "America/Chicago", "Africa/Nairobi", "America/Sao_Paulo",
)  # fmt: skip
COLORS = ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "grey", "pink")
# What arguments without an enum are usually given, by the last word of their name.
CHOICES: dict[str, tuple[str, ...]] = {
    "priority": ("low", "medium", "high"), "status": ("open", "closed", "pending"),
    "size": ("small", "medium", "large"), "unit": ("metric", "imperial"),
    "units": ("metric", "imperial"), "format": ("pdf", "csv", "json"), "gender": ("female", "male"),
    "season": ("spring", "summer", "autumn", "winter"), "level": ("beginner", "advanced"),
    "difficulty": ("easy", "medium", "hard"), "frequency": ("daily", "weekly", "monthly"),
    "interval": ("daily", "weekly", "monthly"), "mode": ("fast", "normal", "quiet"),
    "quality": ("low", "medium", "high"), "severity": ("minor", "major", "critical"),
    "theme": ("light", "dark"), "order": ("ascending", "descending"), "sort": ("newest", "oldest"),
    "class": ("economy", "business"), "period": ("week", "month", "year"), "tone": ("formal", "friendly"),
    "direction": ("north", "south", "east", "west"), "encoding": ("utf-8", "latin-1"),
    "weekday": tuple(spoken.WEEKDAYS), "month": tuple(spoken.MONTHS), "method": ("card", "cash"),
    "style": ("modern", "classic", "minimal"), "goal": ("endurance", "strength", "balance"),
    "state": ("open", "closed"), "visibility": ("public", "private"), "mood": ("calm", "happy", "tense"),
    "condition": ("new", "used"), "shape": ("round", "square", "oval"), "role": ("viewer", "editor", "admin"),
    "permission": ("read", "write"), "environment": ("staging", "production"), "extension": ("txt", "md", "csv"),
    "department": POOLS["department"], "sort_by": ("price", "rating", "date"), "by": ("price", "rating", "date"),
}  # fmt: skip
_DATE_FORMS = (
    (r"yyyy-mm-dd", "%Y-%m-%d"), (r"dd/mm/yyyy", "%d/%m/%Y"), (r"mm/dd/yyyy", "%m/%d/%Y"),
    (r"dd-mm-yyyy", "%d-%m-%Y"), (r"mm-dd-yyyy", "%m-%d-%Y"), (r"dd\.mm\.yyyy", "%d.%m.%Y"),
    (r"yyyy/mm/dd", "%Y/%m/%d"), (r"yyyymmdd", "%Y%m%d"), (r"yyyy-mm(?!-)", "%Y-%m"),
)  # fmt: skip
_PAST = frozenset("birth birthday dob born history historical since past from".split())


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


def _described(facts: Mapping[str, Any]) -> str:
    return str(facts.get("description") or "").lower()


def _person(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    make = lambda: f"{choice(d.rng, POOLS['first_name'])} {choice(d.rng, POOLS['last_name'])}"  # noqa: E731
    return _plain(draw(d.rng, "person", d.split, make))


def _lower(d: Drawing, slot: str) -> str:
    return d.pick(slot).lower().replace(" ", "")


def _email(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    user = choice(d.rng, ("{f}.{l}", "{f}{n}", "{f}", "{f}_{l}")).format(
        f=choice(d.rng, POOLS["first_name"]).lower(), l=choice(d.rng, POOLS["last_name"]).lower(),
        n=d.rng.randint(2, 99),
    )  # fmt: skip
    return _plain(f"{user}@{d.pick('domain')}")


def _username(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"{_lower(d, 'first_name')}{choice(d.rng, ('_', '', '-'))}{d.rng.randint(10, 999)}")


def _phone(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    make = lambda: f"+{d.rng.randint(30, 49)} {d.rng.randint(100, 999)} {d.rng.randint(1000, 9999)}"  # noqa: E731
    text = draw(d.rng, "phone", d.split, make)
    return (text.replace(" ", ""), text) if "e.164" in _described(facts) else _plain(text)


def _url(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    return _plain(f"https://{d.pick('domain')}/{d.pick('folder')}/{d.rng.randint(10, 9999)}")


def _path(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    described = _described(facts) + " " + " ".join(d.about) + " " + name.lower()
    ending = next(
        (end for word, end in _ENDINGS.items() if word in described),
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


def entity_of(name: str) -> str:
    """Return what an id identifies: `order_id` → order; "" for `id` alone."""
    words = words_of(name)
    if len(words) > 1 and words[0] in ("from", "to", "source", "target", "destination", "src", "dest"):
        words = words[1:]
    said = [word for word in words if word not in ("id", "ids", "number", "no", "code", "identifier", "ref",
                                                            "reference", "uid", "key", "new", "target")]  # fmt: skip
    return "_".join(said)


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
    told = f"{_described(facts)} {' '.join(map(str, examples_of(facts))).lower()} {facts.get('default')}"
    return bool(re.search(rf"\b(?:codes?|iso|{example})\b", told)) or facts.get("maxLength") in (2, 3)


def _language(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    label = choice(d.rng, tuple(LANGUAGES))
    code = LANGUAGES[label]
    if "code" in words_of(name) or "lang" == name or "locale" in words_of(name) or _wants_code(facts, "en"):
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


def _date(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    form = _date_form(facts)
    past = bool(_PAST & set(words_of(name))) or bool(_PAST & d.about)
    old = bool({"birth", "birthday", "dob", "born"} & set(words_of(name)))
    if d.allow_relative and not old and d.rng.random() < 0.3 and form != "%Y-%m":
        day, said = spoken.relative_day(d.rng, d.today, past)
        d.relative = True
        return day.strftime(form), said

    def make() -> datetime.date:
        away = d.rng.randint(-24000, -7000) if old else d.rng.randint(2, 300)
        return d.today + datetime.timedelta(days=-abs(away) if past or old else away)

    day = draw(d.rng, "date", d.split, make)
    if form == "%Y-%m":
        return day.strftime(form), f"{spoken.MONTHS[day.month - 1]} {day.year}"
    return day.strftime(form), spoken.say_date(d.rng, day)


def _date_form(facts: Mapping[str, Any]) -> str:
    if facts.get("format") == "date":
        return "%Y-%m-%d"
    described = _described(facts)
    return next((form for mark, form in _DATE_FORMS if re.search(mark, described)), "%Y-%m-%d")


def _minutes(d: Drawing) -> int:
    make = lambda: d.rng.randrange(6 * 60, 22 * 60, choice(d.rng, (60, 30, 15, 5)))  # noqa: E731
    return draw(d.rng, "time", d.split, make)


def _time(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    minutes = _minutes(d)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    said = spoken.say_time(d.rng, minutes)
    if facts.get("format") == "time":
        return f"{text}:00Z", f"{said} UTC"
    return (f"{text}:00" if "hh:mm:ss" in _described(facts) else text), said


def _datetime(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    day, said = _date(d, name, {"format": "date"})
    minutes = _minutes(d)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    said = f"{said} at {spoken.say_time(d.rng, minutes)}"
    described = _described(facts)
    if facts.get("format") == "date-time" or re.search(r"utc|rfc ?3339|\dz\b|:ssz", described):
        return f"{day}T{text}:00Z", f"{said} UTC"
    if re.search(r"yyyy-mm-dd hh:mm(?!:)", described):
        return f"{day} {text}", said
    return (f"{day} {text}:00" if "yyyy-mm-dd hh:mm:ss" in described else f"{day}T{text}:00"), said


def _iso_duration(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    count = d.rng.randint(1, 12)
    unit, mark = choice(d.rng, (("hours", "PT{}H"), ("minutes", "PT{}M"), ("days", "P{}D")))
    count *= 5 if unit == "minutes" else 1
    return mark.format(count), f"{spoken.number_words(count) if count <= 20 else count} {unit if count > 1 else unit[:-1]}"


def _expression(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    def make() -> str:
        a, b, c = (d.rng.randint(2, 99) for _ in range(3))
        form = choice(d.rng, ("{a} * {b}", "{a} + {b}", "({a} + {b}) * {c}", "{a} * {b} - {c}"))
        if re.search(r"function|equation|derivative|integra|polynom", f"{name} {_described(facts)}".lower()):
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
    "product": "product", "song": "song", "recipe": "ingredient", "book": "book", "movie": "movie",
    "track": "song", "restaurant": "cuisine", "job": "job", "event": "event", "item": "product",
    "drug": "medicine", "music": "artist", "film": "movie", "food": "dish", "plant": "plant",
    "city": "city", "location": "city", "place": "landmark", "contact": "first_name", "user": "first_name",
    "file": "stem", "stock": "company", "company": "company", "workout": "exercise", "hotel": "hotel",
}  # fmt: skip


def _message(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    text = d.pick("message")
    text = text[:1].upper() + text[1:]
    return _plain(text + choice(d.rng, ("", "", "!", ".")) if "?" not in text else text)


def _color(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    if "hex" in _described(facts) or "hex" in name.lower():
        return _plain(f"#{d.rng.getrandbits(24):06x}")
    return _plain(choice(d.rng, COLORS))


def _join(*parts: str) -> Callable[[Drawing, str, Mapping[str, Any]], Said]:
    return lambda d, name, facts: _plain("".join(p if p in "/ .-" else _lower(d, p) for p in parts))


def examples_of(facts: Mapping[str, Any]) -> list[Any]:
    """Return a schema's examples: its own, and those its description names (e.g. 'A', 'B')."""
    own = facts.get("examples")
    found = list(own) if isinstance(own, list) else []
    if facts.get("example") is not None:
        found.append(facts["example"])
    described = facts.get("description")
    if not found and isinstance(described, str):
        told = re.search(r"(?:e\.g\.?|for example|such as|example:?|like)[,:]? *(.*)", described, re.IGNORECASE)
        if told:
            found = re.findall(r"['\"`“‘]([^'\"`”’]{1,40})['\"`”’]", told[1])
    return found


TEXTS: dict[str, Callable[[Drawing, str, Mapping[str, Any]], Said]] = {
    "person": _person, "email": _email, "username": _username, "phone": _phone, "url": _url,
    "path": _path, "folder": _folder, "address": _address, "id": _id, "uuid": _uuid,
    "language": _language, "country": _country, "currency": _currency, "date": _date,
    "time": _time, "datetime": _datetime, "iso_duration": _iso_duration, "topic": _topic,
    "expression": _expression, "sql": _sql, "message": _message, "color": _color, "street": _street,
    "repo": _join("company", "/", "project"),
    "glob": lambda d, n, f: _plain(f"*.{choice(d.rng, ('txt', 'md', 'py', 'csv', 'log', 'json'))}"),
    "host": lambda d, n, f: _plain(d.pick("domain")),
    "zip": lambda d, n, f: _plain(str(d.rng.randint(10000, 99999))),
    "ip": lambda d, n, f: _plain(".".join(str(d.rng.randint(2, 250)) for _ in range(4))),
    "ipv6": lambda d, n, f: _plain(f"2001:db8::{d.rng.randint(2, 9999):x}"),
    "version": lambda d, n, f: _plain(f"{d.rng.randint(1, 9)}.{d.rng.randint(0, 20)}.{d.rng.randint(0, 9)}"),
    "timezone": lambda d, n, f: _plain(choice(d.rng, TIMEZONES)),
    "latitude": lambda d, n, f: _plain(f"{d.rng.uniform(-60, 65):.2f}"),
    "longitude": lambda d, n, f: _plain(f"{d.rng.uniform(-120, 150):.2f}"),
    "weekday": lambda d, n, f: _plain(choice(d.rng, spoken.WEEKDAYS)),
    "status": lambda d, n, f: _plain(choice(d.rng, ("active", "pending", "completed", "on hold"))),
    "condition": lambda d, n, f: _plain(
        choice(d.rng, ("sunny", "cloudy", "light rain", "snow", "foggy", "windy"))
    ),
}  # fmt: skip
