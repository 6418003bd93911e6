"""How a request mentions an argument: "in {city}", "on {date}", "with a limit of {limit}"."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from umi_lite.data.synth.names import QUERY_VERBS, entity_of, human, is_plural, words, words_of

_PLACES = frozenset(words("city country address landmark airport room street hotel restaurant"))
_ENDS = frozenset(words("person email username phone team company"))
FROM_WORDS = frozenset(
    words("from source src origin start departure sender old current base input initial")
)
TO_WORDS = frozenset(
    words("to destination dest dst target recipient arrival receiver new output goal end final")
)
_THINGS = frozenset(
    words(
        "product dish ingredient artist song book movie animal plant sport ticker crypto car "
        "medicine "
        "symptom exercise event job cuisine genre material"
    )
)
_UNIT_WORDS = {
    "kg": "kg", "km": "km", "cm": "cm", "m": "m", "mm": "mm", "lbs": "pounds", "lb": "pounds",
    "miles": "miles", "celsius": "degrees Celsius", "fahrenheit": "degrees Fahrenheit",
    "usd": "US dollars", "eur": "euros", "ml": "ml", "mb": "MB", "gb": "GB", "grams": "grams",
    "g": "g", "meters": "meters", "metres": "metres", "feet": "feet", "kwh": "kWh",
    "watts": "watts", "mph": "mph", "kmh": "km/h", "nm": "nautical miles", "kn": "knots",
    "liters": "liters", "litres": "litres", "px": "pixels", "ms": "ms",
}  # fmt: skip


_SETS = frozenset(words("set change update adjust modify raise lower increase decrease"))
# Choices that are said before their name: "with high priority".
_BEFORE = frozenset(
    words("priority quality class format mode difficulty severity resolution visibility tone")
)


class Phrase(NamedTuple):
    """A mention with its slot; phrases are said in the order of their ranks."""

    rank: int
    text: str


def phrase(name: str, kind: str, facts: Mapping[str, Any], verb: str) -> Phrase:
    """Return how a request mentions an argument.

    Args:
        kind: the drawn value's kind.
        verb: `query`, or the verb of the tool's action.
    """
    words = words_of(name)
    first, last = (words[0], words[-1]) if words else ("", "")
    slot = f"{{{name}}}"
    if kind in ("date", "datetime", "time"):
        return _moment(words, kind, slot)
    if kind == "boolean":
        return Phrase(90, f"with the {human(name)} option {slot}")
    if kind in ("object", "objects", "const"):
        return Phrase(90, f"with the {human(name)} {slot}")
    is_end = kind in _PLACES | _ENDS | {
        "currency",
        "language",
        "path",
        "folder",
        "enum",
        "timezone",
        "id",
        "url",
    }
    if kind == "id" and first in FROM_WORDS | TO_WORDS and entity_of(name):
        return Phrase(
            20 if first in FROM_WORDS else 30,
            f"{'from' if first in FROM_WORDS else 'to'} {human(entity_of(name))} {slot}",
        )
    if first in FROM_WORDS and is_end:
        return Phrase(20, f"from {slot}")
    if first in TO_WORDS and is_end:
        return Phrase(30, f"{'into' if kind == 'language' else 'to'} {slot}")
    if kind == "list":
        return _several(name, slot, verb, last)
    if kind in ("minutes", "seconds", "hours", "days", "weeks"):
        if (
            first in ("timeout", "interval", "delay", "max", "min", "maximum", "ttl")
            or "ago" in words
        ):
            return Phrase(90, f"with a {_bare(words)} of {slot}")
        return Phrase(60, f"for {slot}")
    if kind == "temperature" and verb in _SETS and len(words) == 1:
        return Phrase(45, f"to {slot} degrees")
    if (found := _number(words, kind, slot, facts)) is not None:
        return found
    return _text(name, words, kind, slot, verb, facts)


def _bare(words: Sequence[str]) -> str:
    said = [
        w
        for w in words
        if w not in ("minutes", "seconds", "hours", "days", "weeks", "secs", "mins", "in")
    ]
    return human("_".join(said)) or "length"


def _moment(words: Sequence[str], kind: str, slot: str) -> Phrase:
    said = set(words)
    on = "at" if kind == "time" else "on"
    if said & {"due", "deadline"}:
        return Phrase(52, f"due {on} {slot}")
    if said & {"birth", "birthday", "dob"}:
        return Phrase(52, f"born on {slot}")
    if {"check", "in"} <= said or "checkin" in said:
        return Phrase(50, f"checking in {on} {slot}")
    if {"check", "out"} <= said or "checkout" in said:
        return Phrase(51, f"checking out {on} {slot}")
    if said & {"return", "returning"}:
        return Phrase(51, f"returning {on} {slot}")
    if said & {"departure", "depart", "departing", "leave"}:
        return Phrase(50, f"leaving {on} {slot}")
    if "since" in said or "after" in said:
        return Phrase(50, f"{'since' if 'since' in said else 'after'} {slot}")
    if said & {"start", "from", "since", "begin", "after"}:
        return Phrase(50, f"from {slot}" if kind != "datetime" else f"starting {on} {slot}")
    if said & {"end", "until", "finish", "before", "to"}:
        return Phrase(51, f"until {slot}")
    return Phrase(52 if kind == "time" else 50, f"{on} {slot}")


def _several(name: str, slot: str, verb: str, last: str) -> Phrase:
    if last in ("tags", "labels"):
        return Phrase(70, f"tagged {slot}")
    if last in ("recipients", "to"):
        return Phrase(30, f"to {slot}")
    if last in ("attendees", "participants", "guests", "invitees"):
        return Phrase(65, f"with {slot}")
    if verb == "query" and last in ("cities", "countries", "locations"):
        return Phrase(40, f"for {slot}")
    return Phrase(90, f"with the {human(name)} {slot}")


def _number(words: Sequence[str], kind: str, slot: str, facts: Mapping[str, Any]) -> Phrase | None:
    said, last = human("_".join(words)), words[-1] if words else ""
    if is_plural(last):
        said = said.removeprefix("number of ").removeprefix("number ")
    if said in ("head", "tail"):
        return Phrase(85, f"but only the {'first' if said == 'head' else 'last'} {slot} lines")
    if kind == "small" and is_plural(last) and len(words) < 3:
        return Phrase(58, f"for {slot} {said}")
    if kind == "small" and last in ("size", "guests"):
        return Phrase(58, f"for {slot} people")
    if (kind == "count" and last in ("limit", "top", "k", "n")) or said in (
        "maximum results",
        "maximum count",
    ):
        return Phrase(85, f"limited to {slot} results")
    if kind == "count" and words[:1] == ("max",) and is_plural(last):
        return Phrase(85, f"limited to {slot} {last}")
    if kind == "year":
        return Phrase(50, f"in {slot}")
    if kind == "temperature":
        return Phrase(
            55, f"at {slot} degrees" if len(words) == 1 else f"with a {said} of {slot} degrees"
        )
    if kind in ("latitude", "longitude"):
        return Phrase(40 + (kind == "longitude"), f"at {kind} {slot}")
    if kind in (
        "count",
        "small",
        "amount",
        "measure",
        "rating",
        "age",
        "number",
        "percent",
        "month_number",
        "month_day",
    ):
        unit = _UNIT_WORDS.get(last) if len(words) > 1 else None
        if unit:
            said = human("_".join(words[:-1]).removesuffix("_in"))
            return Phrase(90, f"with {article(said)} {said} of {slot} {unit}")
        if facts.get("type") not in ("integer", "number", "string") and not said:
            return None
        if is_plural(last):
            return Phrase(90, f"with {slot} {said}")
        if len(said) < 3:
            return Phrase(90, f"with {said} = {slot}")
        return Phrase(90, f"with {article(said)} {said} of {slot}")
    return None


def article(noun: str) -> str:
    """Return `a` or `an`."""
    return "an" if noun[:1].lower() in "aeio" or noun.startswith("IP") else "a"


def _text(
    name: str, words: Sequence[str], kind: str, slot: str, verb: str, facts: Mapping[str, Any]
) -> Phrase:
    last = words[-1] if words else ""
    said = human(name)
    if kind == "id":
        entity = human(entity_of(name)) if entity_of(name) else ""
        if last in ("id", "number", "identifier", "no", "reference") and entity:
            return Phrase(10, f"for {entity} {slot}")
        return Phrase(90, f"with the {said} {slot}")
    if words[:2] in (("sort", "by"), ("order", "by")) and kind in ("enum", "text", "word"):
        return Phrase(86, f"sorted by {slot}")
    if kind == "enum":
        return _choice(name, last, slot, facts)
    if kind in ("artist", "person") and last in ("artist", "author", "singer", "band", "director"):
        return Phrase(14, f"by {slot}")
    if kind == "person" and last == "name" and verb in ("add", "create", "register"):
        return Phrase(14, f"for {slot}")
    if (
        kind == "email"
        and last in ("email", "mail", "address")
        and verb not in ("query", "send", "email")
    ):
        return Phrase(90, f"with the email address {slot}")
    if kind == "cuisine":
        return Phrase(90, f"with the {said} {slot}")
    if kind == "phone" and verb not in ("query", "call", "dial", "send", "message"):
        return Phrase(90, f"with the phone number {slot}")
    if kind in _PLACES:
        return Phrase(
            40,
            f"at {slot}" if kind in ("address", "street", "hotel", "restaurant") else f"in {slot}",
        )
    if kind == "email" or (
        kind == "person" and verb in ("send", "email", "message", "notify", "invite", "share")
    ):
        return Phrase(
            30,
            f"to {slot}"
            if (verb != "query" and last != "email") or verb == "send"
            else f"for {slot}",
        )
    if kind in _ENDS:
        return Phrase(12, f"for {slot}")
    if kind == "branch" and last == "target":
        return Phrase(35, f"against {slot}")
    if kind == "branch" and verb in ("switch", "checkout"):
        return Phrase(35, f"to the branch {slot}")
    if kind in ("path", "folder") and {"repo", "repository"} & set(words):
        return Phrase(40, f"in the repository {slot}")
    if kind in ("path", "folder", "url", "host", "ip"):
        return Phrase(40, f"at {slot}")
    if kind in ("language", "currency", "color", "timezone"):
        return Phrase(42, f"in {slot}")
    if kind == "message":
        if (
            verb in ("send", "post", "reply", "message", "email", "notify", "publish")
            and last != "description"
        ):
            return Phrase(95, f"saying {slot}")
        return Phrase(90, f"with the {said} {slot}")
    if kind == "topic":
        return Phrase(11, f"for {slot}" if verb in ("query", *QUERY_VERBS) else f"about {slot}")
    if kind == "title":
        return Phrase(
            15, f"called {slot}" if last in ("title", "name") else f"with the {said} {slot}"
        )
    if last == "name" and kind not in ("person", "username") and verb in ("create", "add", "make"):
        return Phrase(15, f"called {slot}")
    if kind in _THINGS and (last == kind or len(words) == 1 or last == "name"):
        return Phrase(13, f"for {slot}")
    if kind == "tag" and len(words) == 1:
        return Phrase(70, f"tagged {slot}")
    if kind == "project" and last in ("project", "workspace"):
        return Phrase(41, f"in the {last} {slot}")
    return Phrase(90, f"with the {said} {slot}")


def _choice(name: str, last: str, slot: str, facts: Mapping[str, Any]) -> Phrase:
    choices = [str(value).lower() for value in facts.get("enum", ())]
    if last in ("unit", "units"):
        systems = {"metric", "imperial"} & set(choices)
        return Phrase(43, f"in {slot} units" if systems else f"in {slot}")
    if last in ("quarter", "language", "currency"):
        return Phrase(42, f"{'for' if last == 'quarter' else 'in'} {slot}")
    if last in _BEFORE and all(
        value.replace("_", " ").replace("-", " ").replace(" ", "").isalpha() for value in choices
    ):
        return Phrase(90, f"with {slot} {human(name)}")
    return Phrase(90, f"with the {human(name)} {slot}")


def joined(phrases: Sequence[Phrase]) -> str:
    """Return phrases as one text that begins with a blank; those with "with the" become a list."""
    ordered = sorted(phrases, key=lambda one: one.rank)
    plain = [one.text for one in ordered if not one.text.startswith("with ") or one.rank != 90]
    late = [text for text in plain if text.startswith("saying ")]
    plain = [text for text in plain if text not in late]
    listed = [
        one.text.removeprefix("with ")
        for one in ordered
        if one.text.startswith("with ") and one.rank == 90
    ]
    if listed:
        head, *tail = [", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else ["", listed[0]]
        plain.append("with " + (f"{head} and {tail[0]}" if head else tail[0]))
    said = "".join(f" {text}" for text in [*plain, *late])
    return said.replace(" at longitude", " and longitude") if " at latitude" in said else said
