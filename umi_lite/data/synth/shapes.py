"""What a tool returns: the fields of its result with their kinds, from its wording or its name."""

import re
from collections.abc import Mapping, Sequence

from umi_lite.data.synth.describe import thing_head
from umi_lite.data.synth.generic import entity, generic
from umi_lite.data.synth.kinds import DONE, NAMES, kind_of, kind_of_words
from umi_lite.data.synth.names import (
    COMPUTE_VERBS,
    base_verb,
    is_plural,
    own_words,
    singular,
    words,
)
from umi_lite.data.synth.wording import SynthTool

# What getting a thing returns, by the thing.
_FIELDS: dict[str, dict[str, str]] = {
    "weather": {"temperature": "temperature", "condition": "condition"},
    "forecast": {"temperature": "temperature", "condition": "condition"},
    "temperature": {"temperature": "temperature"}, "price": {"price": "amount"},
    "cost": {"total_cost": "amount"}, "fare": {"fare": "amount"},
    "quote": {"price": "amount", "change_percent": "percent"}, "stock": {"price": "amount"},
    "balance": {"balance": "amount"}, "distance": {"distance_km": "measure"},
    "route": {"distance_km": "measure", "duration_minutes": "minutes"},
    "direction": {"distance_km": "measure", "duration_minutes": "minutes"},
    "time": {"time": "time"}, "exchange": {"rate": "measure"}, "rate": {"rate": "percent"},
    "user": {"email": "email", "phone": "phone"}, "contact": {"email": "email", "phone": "phone"},
    "customer": {"email": "email", "city": "city"},
    "employee": {"email": "email", "department": "department"},
    "profile": {"email": "email", "city": "city"},
    "account": {"balance": "amount", "status": "status"},
    "order": {"status": "status", "total": "amount"},
    "invoice": {"total": "amount", "due_date": "date"},
    "package": {"status": "status", "city": "city"},
    "shipment": {"status": "status", "city": "city"},
    "delivery": {"status": "status", "date": "date"}, "status": {"status": "status"},
    "flight": {"departure_time": "time", "price": "amount"},
    "train": {"departure_time": "time", "price": "amount"},
    "hotel": {"hotel": "hotel", "price_per_night": "amount"},
    "restaurant": {"restaurant": "restaurant", "address": "address"},
    "event": {"event": "title", "date": "date"}, "meeting": {"date": "date", "time": "time"},
    "book": {"title": "book", "author": "person"},
    "movie": {"title": "movie", "rating": "rating"}, "song": {"song": "song", "artist": "artist"},
    "playlist": {"song": "song"}, "recipe": {"dish": "dish", "cooking_minutes": "minutes"},
    "news": {"headline": "title"}, "article": {"title": "title", "author": "person"},
    "population": {"population": "number"}, "definition": {"definition": "message"},
    "address": {"address": "address"}, "email": {"email": "email"}, "phone": {"phone": "phone"},
    "score": {"score": "count"}, "air": {"air_quality_index": "number"},
    "capital": {"capital": "city"}, "calorie": {"calories": "number"}, "age": {"age": "age"},
    "area": {"area": "measure"}, "volume": {"volume": "measure"}, "bmi": {"bmi": "measure"},
    "tax": {"tax": "amount"}, "payment": {"payment": "amount"},
    "interest": {"interest": "amount"}, "tip": {"tip": "amount"},
    "mortgage": {"monthly_payment": "amount"}, "inventory": {"quantity": "count"},
    "airport": {"airport": "airport"},
    "coordinate": {"latitude": "latitude", "longitude": "longitude"},
    "timezone": {"timezone": "timezone"}, "ip": {"country": "country", "city": "city"},
    "symptom": {"condition_name": "symptom"}, "medication": {"dosage_mg": "number"},
    "dose": {"dosage_mg": "number"}, "repository": {"stars": "number", "language": "word"},
    "branch": {"branch": "branch"}, "commit": {"commit": "id"}, "file": {"content": "message"},
    "content": {"content": "message"}, "text": {"text": "message"},
    "setting": {"status": "status"}, "humidity": {"humidity": "percent"},
    "sunrise": {"sunrise": "time"}, "sunset": {"sunset": "time"},
    "product": {"product": "product", "price": "amount"}, "date": {"date": "date"},
    "day": {"days": "days"}, "note": {"note": "message"},
    "task": {"task": "task", "status": "status"},
    "ticket": {"status": "status", "assignee": "person"},
    "issue": {"status": "status", "assignee": "person"},
}  # fmt: skip
CREATES = frozenset(
    words(
        "create add book schedule order place register open reserve request submit issue buy "
        "assign "
        "generate make plan rent hire post upload publish draft file log record"
    )
)
_LISTS = frozenset(words("list search find browse discover explore"))
_RETURNS = re.compile(
    r"\b[Rr]eturn(?:s|ing)?(?: back)? (?:the |a |an |its |their |an? new )?([a-z_ ]{3,30}?)"
    r"(?:[.,;(]| of | for | as | in |$)"
)


def returns_of(made: SynthTool) -> tuple[dict[str, str], bool]:
    """Return the fields of a tool's result with their kinds, and whether they are but a guess."""
    if made.wording is not None and made.wording.returns:
        return dict(made.wording.returns), False
    noun = entity(made.tool.name, made.tool.description)
    if made.verb != "query":
        if made.verb in CREATES and noun != "item":
            return {f"{noun}_id": "id", "status": DONE}, False
        if made.verb in (
            "convert",
            "translate",
            "summarize",
            "encode",
            "decode",
            "encrypt",
            "format",
            "compress",
        ):
            return {"result": "amount" if made.verb == "convert" else "message"}, True
        return {"status": DONE}, True
    arguments = made.tool.parameters.get("properties", {})
    named = _RETURNS.search(made.tool.description)
    if named and (kind := kind_of_words(named[1].strip(), False)) not in (None, "category"):
        name = "_".join(named[1].split()[-2:])
        if name not in arguments:
            return {name: str(kind)}, False
    if named and (fields := _FIELDS.get(singular(named[1].split()[-1]))):
        fields = {name: kind for name, kind in fields.items() if name not in arguments}
        return fields or {"result": "word"}, not fields
    words = own_words(made.tool.name) or ("",)
    verb = base_verb(words[0])
    plural = any(is_plural(word) for word in words[1:] if word not in ("news", "weather", "status"))
    if verb == "list" or (verb in _LISTS and plural):
        return (
            {f"{noun}_id": "id", "name": name_kind(noun)} if verb != "list" else {"items": NAMES}
        ), False
    said = thing_head(generic(made.tool.name, made.tool.description).rest).split(" ")
    for word in (noun, *map(singular, reversed(said)), *sorted(made.about)):
        fields = {
            name: kind for name, kind in _FIELDS.get(word, {}).items() if name not in arguments
        }
        if fields:
            return fields, False
    if verb in COMPUTE_VERBS:
        return {noun if noun != "item" else "result": "measure"}, True
    numbers = [
        kind_of(name, part, made.context)
        for name, part in arguments.items()
        if isinstance(part, dict) and part.get("type") in ("number", "integer")
    ]
    if set(numbers) - {"id", "count", "small", "year"}:
        return {noun if noun not in arguments else "result": "measure"}, True
    kind = kind_of(noun, {"type": "string"}, made.about)
    return {noun if noun not in arguments else "result": "word" if kind == "text" else kind}, True


def name_kind(noun: str) -> str:
    """Return the kind of the names of a noun's things: city → city, order → title."""
    kind = kind_of(noun, {"type": "string"}, frozenset({noun}))
    return kind if kind not in ("text", "id", "username") else "title"


def with_settings(
    tools: Sequence[SynthTool], returns: dict[str, dict[str, str]]
) -> list[tuple[str, str]]:
    """Return (setter, getter) pairs; a getter's fields get the arguments that its setter sets.

    A getter is a query about the same thing whose required arguments the setter has too.
    """
    pairs: list[tuple[str, str]] = []
    for setter in tools:
        if setter.verb not in ("set", "update", "change", "adjust", "modify", "configure"):
            continue
        given = setter.tool.parameters.get("properties", {})
        for getter in tools:
            needed = set(getter.tool.parameters.get("required", ()))
            if getter.verb != "query" or not getter.about or getter.about != setter.about:
                continue
            kept = [
                name for name in setter.tool.parameters.get("required", ()) if name not in needed
            ]
            if not needed <= set(given) or not kept or getter.domain != setter.domain:
                continue
            if getter.wording is None:
                fields = {name: _setting_kind(name, given[name], setter) for name in kept}
                returns[getter.tool.name] = fields
            if set(kept) & set(returns[getter.tool.name]):
                pairs.append((setter.tool.name, getter.tool.name))
    return pairs


def _setting_kind(name: str, schema: Mapping[str, object], setter: SynthTool) -> str:
    facts = schema if isinstance(schema, dict) else {}
    return kind_of(name, facts, setter.about)
