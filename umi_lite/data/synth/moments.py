"""Dates and times in the form that a schema wants, and as people say them."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from umi_lite.data.synth import spoken
from umi_lite.data.synth.drawing import Drawing, Said, described
from umi_lite.data.synth.names import words, words_of
from umi_lite.data.synth.pools import choice, draw

_DATE_FORMS = (
    (r"yyyy-mm-dd", "%Y-%m-%d"), (r"dd/mm/yyyy", "%d/%m/%Y"), (r"mm/dd/yyyy", "%m/%d/%Y"),
    (r"dd-mm-yyyy", "%d-%m-%Y"), (r"mm-dd-yyyy", "%m-%d-%Y"), (r"dd\.mm\.yyyy", "%d.%m.%Y"),
    (r"yyyy/mm/dd", "%Y/%m/%d"), (r"yyyymmdd", "%Y%m%d"), (r"yyyy-mm(?!-)", "%Y-%m"),
)  # fmt: skip
_PAST = frozenset(words("birth birthday dob born history historical since past from"))


def date(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
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
    said = described(facts)
    return next((form for mark, form in _DATE_FORMS if re.search(mark, said)), "%Y-%m-%d")


def _minutes(d: Drawing) -> int:
    make = lambda: d.rng.randrange(6 * 60, 22 * 60, choice(d.rng, (60, 30, 15, 5)))  # noqa: E731
    return draw(d.rng, "time", d.split, make)


def time(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    minutes = _minutes(d)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    said = spoken.say_time(d.rng, minutes)
    if facts.get("format") == "time":
        return f"{text}:00Z", f"{said} UTC"
    return (f"{text}:00" if "hh:mm:ss" in described(facts) else text), said


def date_time(d: Drawing, name: str, facts: Mapping[str, Any]) -> Said:
    day, said = date(d, name, {"format": "date"})
    minutes = _minutes(d)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    said = f"{said} at {spoken.say_time(d.rng, minutes)}"
    wanted = described(facts)
    if facts.get("format") == "date-time" or re.search(r"utc|rfc ?3339|\dz\b|:ssz", wanted):
        return f"{day}T{text}:00Z", f"{said} UTC"
    if re.search(r"yyyy-mm-dd hh:mm(?!:)", wanted):
        return f"{day} {text}", said
    return (f"{day} {text}:00" if "yyyy-mm-dd hh:mm:ss" in wanted else f"{day}T{text}:00"), said
