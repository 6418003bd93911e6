"""Values: what an instruction says of one leads back to the schema's form."""

import datetime
import random
import re

import jsonschema
import pytest

from umi_lite.data.synth import spoken
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.pattern import NoMatch, sample
from umi_lite.data.synth.pools import POOLS, SPLITS, pool
from umi_lite.data.synth.values import draw_value

TODAY = datetime.date(2026, 11, 27)  # a Friday
WORDS = {spoken.number_words(number): number for number in range(101)}


def drawing(seed: object, **changed: object) -> Drawing:
    return Drawing(random.Random(str(seed)), "train", TODAY, **changed)  # pyright: ignore


def number(text: str) -> float:
    bare = text.replace(",", "")
    return WORDS[bare] if bare in WORDS else float(bare)


def day(text: str) -> datetime.date:
    """Read a date as a person would, on `TODAY`."""
    near = {
        "today": 0,
        "tomorrow": 1,
        "the day after tomorrow": 2,
        "yesterday": -1,
        "a week from today": 7,
    }
    if text in near:
        return TODAY + datetime.timedelta(days=near[text])
    if found := re.fullmatch(r"([\w-]+) days from today", text):
        return TODAY + datetime.timedelta(days=int(number(found[1])))
    if found := re.fullmatch(r"(next|this coming|last) (\w+day)", text):
        step = -1 if found[1] == "last" else 1
        at = TODAY + datetime.timedelta(days=step)
        while at.strftime("%A") != found[2]:
            at += datetime.timedelta(days=step)
        return at
    bare = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
    for form in ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d %b %Y"):
        try:
            return datetime.datetime.strptime(bare, form).date()
        except ValueError:
            continue
    raise AssertionError(text)


def clock(text: str) -> str:
    """Read a time of day as a person would."""
    if text == "noon":
        return "12:00"
    if re.fullmatch(r"\d\d:\d\d", text):
        return text
    if found := re.fullmatch(r"(\d+)(?::(\d\d))? (am|pm)", text):
        hour = int(found[1]) % 12 + (12 if found[3] == "pm" else 0)
        return f"{hour:02d}:{found[2] or '00'}"
    found = re.fullmatch(r"(half past |a quarter past |)(\w+)(?: o'clock)? in the (\w+)", text)
    assert found, text
    hour = WORDS[found[2]] % 12 + (0 if found[3] == "morning" else 12)
    return f"{hour:02d}:{ {'half past ': '30', 'a quarter past ': '15', '': '00'}[found[1]] }"


def seconds(text: str) -> float:
    """Read a duration as a person would."""
    fixed = {"an hour and a half": 5400.0, "half an hour": 1800.0}
    if text in fixed:
        return fixed[text]
    count, _, unit = text.rpartition(" ")
    size = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    return (1 if count in ("a", "an", "one") else number(count)) * size[unit.removesuffix("s")]


@pytest.mark.parametrize("seed", range(150))
def test_spoken_forms_lead_back_to_the_value(seed: int):
    d = drawing(seed)
    drawn = draw_value(d, "due_date", {"type": "string", "format": "date"})
    assert day(drawn.said).isoformat() == drawn.value
    drawn = draw_value(d, "date", {"type": "string", "description": "in the form DD/MM/YYYY"})
    assert day(drawn.said).strftime("%d/%m/%Y") == drawn.value
    drawn = draw_value(d, "time", {"type": "string", "description": "HH:MM"})
    assert clock(drawn.said) == drawn.value
    drawn = draw_value(d, "start_time", {"type": "string", "format": "date-time"})
    date, _, time = drawn.said.removesuffix(" UTC").rpartition(" at ")
    assert f"{day(date).isoformat()}T{clock(time)}:00Z" == drawn.value
    for unit, size in (("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86400)):
        drawn = draw_value(d, f"duration_{unit}", {"type": "integer"})
        assert seconds(drawn.said) == drawn.value * size
    drawn = draw_value(d, "quantity", {"type": "integer"})
    assert number(drawn.said) == drawn.value
    drawn = draw_value(d, "discount", {"type": "number", "minimum": 0, "maximum": 1})
    assert float(re.sub(r"%| percent", "", drawn.said)) == pytest.approx(100 * drawn.value)


def test_relative_dates_need_today_and_results_never_have_them():
    d = drawing("relative")
    said = [draw_value(d, "date", {"type": "string"}).said for _ in range(60)]
    assert d.relative and "tomorrow" in said
    d = drawing("absolute", allow_relative=False)
    for _ in range(60):
        day_said = draw_value(d, "date", {"type": "string"}).said
        assert re.search(r"\d{4}", day_said)
    assert not d.relative


@pytest.mark.parametrize(
    ("said", "value", "choices"),
    [
        ("in progress", "IN_PROGRESS", ["IN_PROGRESS", "DONE"]),
        ("the third quarter", "Q3", ["Q1", "Q2", "Q3", "Q4"]),
        ("euros", "EUR", ["EUR", "USD"]),
        ("French", "fr", ["fr", "de"]),
    ],
)
def test_choices_are_said_in_words(said: str, value: str, choices: list[str]):
    d = drawing(said)
    made = {draw_value(d, "x", {"enum": choices}).said: v for v in [value]}
    drawn = [draw_value(d, "x", {"enum": choices}) for _ in range(60)]
    assert said in {one.said for one in drawn if one.value == value}
    assert all(one.value in choices for one in drawn) and made


@pytest.mark.parametrize(
    ("name", "schema", "kind"),
    [
        ("city", {"type": "string"}, "city"),
        ("to", {"type": "string", "description": "Email address of the recipient"}, "email"),
        ("userEmail", {"type": "string"}, "email"),
        ("check_in", {"type": "string"}, "date"),
        ("order_id", {"type": "string"}, "id"),
        ("q", {"type": "string"}, "topic"),
        ("amount", {"type": "number"}, "amount"),
        ("duration_minutes", {"type": "integer"}, "minutes"),
        ("when", {"type": "string", "format": "date-time"}, "datetime"),
        ("target_language", {"type": "string"}, "language"),
        ("file_path", {"type": "string"}, "path"),
        ("loc", {"type": "string", "description": "City to look up"}, "city"),
    ],
)
def test_names_formats_and_descriptions_say_the_kind(name: str, schema: dict, kind: str):
    assert kind_of(name, schema) == kind


def test_drawn_values_fit_bounds_lengths_and_patterns():
    schemas = {
        "level": {"type": "integer", "minimum": 40, "maximum": 44},
        "volume": {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0, "maximum": 1},
        "year": {"type": "integer", "minimum": 3000},
        "plate": {"type": "string", "pattern": "^[A-Z]{1,3}-[A-Z]{1,2} \\d{1,4}$"},
        "pin": {"type": "string", "minLength": 4, "maxLength": 4},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3},
        "point": {"type": "array", "prefixItems": [{"type": "number"}] * 2, "minItems": 2},
        "value": {"type": ["null", "integer"]},
        "either": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    }
    for name, schema in schemas.items():
        for seed in range(40):
            drawn = draw_value(drawing(f"{name} {seed}"), name, schema)
            jsonschema.validate(drawn.value, schema)
            assert drawn.value is not None


def test_patterns_are_sampled_or_refused():
    rng = random.Random(1)
    for pattern in (r"^\d{3}-[a-f]+$", r"(foo|bar)_\w{2}", r"^#[0-9A-Fa-f]{6}$", r"^(a)\1$"):
        for _ in range(20):
            assert re.search(pattern, sample(rng, pattern))
    for pattern in (r"^(?=.*\d).{8}$", "([", r"^a(?<!a)b$"):
        with pytest.raises(NoMatch):
            sample(rng, pattern)


def test_pools_of_the_splits_are_disjoint():
    for slot in ("city", "message", "title", "topic", "product"):
        whole = [value for split in SPLITS for value in pool(slot, split)]
        assert sorted(whole) == sorted(POOLS[slot]) and len(whole) == len(set(whole))
