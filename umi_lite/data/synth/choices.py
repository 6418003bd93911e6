"""Values from a closed set: an enum's, those that a description lists, codes by their names."""

import re
from collections.abc import Mapping
from typing import Any

from umi_lite.data.synth import spoken
from umi_lite.data.synth.names import words_of
from umi_lite.data.synth.pools import POOLS

LANGUAGES = {
    "French": "fr", "German": "de", "Spanish": "es", "Italian": "it", "Portuguese": "pt",
    "Dutch": "nl", "Polish": "pl", "Swedish": "sv", "Japanese": "ja", "Korean": "ko",
    "Turkish": "tr", "Greek": "el", "Arabic": "ar", "Hindi": "hi", "Finnish": "fi", "Czech": "cs",
    "English": "en", "Danish": "da", "Norwegian": "no", "Chinese": "zh",
}  # fmt: skip
COUNTRIES = {
    "France": "FR", "Germany": "DE", "Spain": "ES", "Italy": "IT", "Portugal": "PT",
    "Poland": "PL", "Sweden": "SE", "Norway": "NO", "Japan": "JP", "Brazil": "BR", "Canada": "CA",
    "Mexico": "MX", "India": "IN", "Kenya": "KE", "Chile": "CL", "Greece": "GR", "Turkey": "TR",
    "Egypt": "EG", "Finland": "FI", "Ireland": "IE", "Peru": "PE", "Vietnam": "VN",
    "Morocco": "MA", "Iceland": "IS",
}  # fmt: skip
CURRENCIES = {
    "EUR": "euros", "USD": "US dollars", "GBP": "British pounds", "JPY": "Japanese yen",
    "CHF": "Swiss francs", "CAD": "Canadian dollars", "SEK": "Swedish kronor",
    "PLN": "Polish zloty", "INR": "Indian rupees", "BRL": "Brazilian reais",
    "MXN": "Mexican pesos", "TRY": "Turkish lira",
}  # fmt: skip
# What arguments without an enum are usually given, by the last word of their name.
CHOICES: dict[str, tuple[str, ...]] = {
    "priority": ("low", "medium", "high"), "status": ("open", "closed", "pending"),
    "state": ("open", "closed"),
    "size": ("small", "medium", "large"), "unit": ("metric", "imperial"),
    "units": ("metric", "imperial"), "format": ("pdf", "csv", "json"),
    "gender": ("female", "male"), "season": ("spring", "summer", "autumn", "winter"),
    "level": ("beginner", "advanced"), "difficulty": ("easy", "medium", "hard"),
    "frequency": ("daily", "weekly", "monthly"), "interval": ("daily", "weekly", "monthly"),
    "mode": ("fast", "normal", "quiet"), "quality": ("low", "medium", "high"),
    "severity": ("minor", "major", "critical"), "theme": ("light", "dark"),
    "order": ("ascending", "descending"), "sort": ("newest", "oldest"),
    "class": ("economy", "business"), "period": ("week", "month", "year"),
    "tone": ("formal", "friendly"), "direction": ("north", "south", "east", "west"),
    "encoding": ("utf-8", "latin-1"), "weekday": tuple(spoken.WEEKDAYS),
    "month": tuple(spoken.MONTHS), "method": ("card", "cash"),
    "style": ("modern", "classic", "minimal"), "goal": ("endurance", "strength", "balance"),
    "visibility": ("public", "private"),
    "mood": ("calm", "happy", "tense"), "condition": ("new", "used"),
    "shape": ("round", "square", "oval"), "role": ("viewer", "editor", "admin"),
    "permission": ("read", "write"), "environment": ("staging", "production"),
    "extension": ("txt", "md", "csv"), "department": POOLS["department"],
    "sort_by": ("price", "rating", "date"), "by": ("price", "rating", "date"),
}  # fmt: skip


def named_codes(values: list[Any]) -> dict[str, str]:
    """Return what people call an enum's codes: currencies, languages, countries, quarters."""
    quarters = dict(
        Q1="the first quarter",
        Q2="the second quarter",
        Q3="the third quarter",
        Q4="the fourth quarter",
    )
    tables = (
        CURRENCIES, {code: name for name, code in LANGUAGES.items()},
        {code: name for name, code in COUNTRIES.items()}, quarters,
    )  # fmt: skip
    for table in tables:
        known = {value: table[value] for value in values if value in table}
        if 2 * len(known) >= len(values) and known:
            return known
    return {}


def say_choice(value: str) -> str:
    """Return an enum's value as words: `IN_PROGRESS` → in progress; short codes as they are."""
    bare = value.replace("_", "").replace("-", "")
    if (value.isupper() and len(value) <= 4) or not bare.isalpha() or not value.isascii():
        return value
    if "_" in value or (value.isupper()) or re.search(r"[a-z][A-Z]", value):
        return " ".join(words_of(value))
    return value


def described_choices(facts: Mapping[str, Any]) -> list[str]:
    """Return the values that a description lists: "(low, medium or high)", "one of 'a', 'b'"."""
    text = facts.get("description")
    if not isinstance(text, str):
        return []
    quoted = re.findall(r"['\"`]([\w-]{1,24})['\"`]", text)
    if len(quoted) >= 2:
        return quoted
    named = re.search(
        r"\((?:one of:? |either )?([a-z][\w-]*(?:(?:, | or |/|, or )[a-z][\w-]*)+)\)", text
    )
    named = named or re.search(
        r"(?:one of|either):? ([a-z][\w-]*(?:(?:, or |, | or |/)[a-z][\w-]*)+)", text
    )
    return re.split(r", or |, | or |/", named[1]) if named else []


def examples_of(facts: Mapping[str, Any]) -> list[Any]:
    """Return a schema's examples: its own, and those its description names (e.g. 'A', 'B')."""
    own = facts.get("examples")
    found = list(own) if isinstance(own, list) else []
    if facts.get("example") is not None:
        found.append(facts["example"])
    described = facts.get("description")
    if not found and isinstance(described, str):
        named = re.search(
            r"(?:e\.g\.?|for example|such as|example:?|like)[,:]? *(.*)", described, re.IGNORECASE
        )
        if named:
            found = re.findall(r"['\"`“‘]([^'\"`”’]{1,40})['\"`”’]", named[1])
    return found
