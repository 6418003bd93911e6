"""Drafts from an entity: what the verbs of `verbs.yaml` do with it."""

import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from umi_lite.data.wild.drafts import Draft, a_noun, expanded, plural_of
from umi_lite.data.wild.lexicon import Domain, Entity, Kind, frames_of, read_yaml

# Numbers that are not compared, ranked or averaged.
_NOT_COMPARED = frozenset({"year", "old_year", "later_year", "vintage"})
_PLACES = frozenset(
    {"page", "room_no", "seat", "seat_row", "row", "platform", "carriage", "radio", "version"}
)
# Kinds of numbers that change from day to day.
_CHANGING = frozenset(
    {
        *("price", "amount", "fee", "total", "level", "percent", "score", "rate", "kwh"),
        *("big_amount", "rent", "coins", "grade", "mileage", "small", "hours", "wine_points"),
    }
)
_DONE = Kind("done", {"type": "string"}, "state")
_EXTRAS = 2
# Verbs of phrases like "that open on {}", in the plural.
_SINGULAR = re.compile(r"\b((?:that|who) (?:work|play|speak|open|expire|need|meet))\b")


class Verb(BaseModel):
    """A verb; its fields are described in `verbs.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per: Literal["once", "fact", "set", "number", "numbers", "changing", "extra"]
    with_: Literal["", "find", "first", "make"] = Field(default="", alias="with")
    coded: bool = False
    query: bool = True
    name: str
    does: str
    thing: str
    arguments: dict[str, str] = {}
    optional: tuple[str, ...] = ()
    returns: dict[str, str]
    result: tuple[str, ...]


@cache
def verbs() -> Mapping[str, Verb]:
    """Return the verbs by name."""
    return TypeAdapter(dict[str, Verb]).validate_python(read_yaml("verbs.yaml"))


class Things:
    """The tools of one entity."""

    def __init__(self, domain: Domain, name: str, entity: Entity):
        self._domain, self._name, self._entity = domain, name, entity
        self._noun = entity.noun or name.replace("_", " ")
        self._key, kind = _split(entity.key)
        self._facts: dict[str, tuple[Kind, str]] = {}
        called: dict[str, str] = {}
        for given, label in entity.facts.items():
            fact, about = _split(given)
            called[fact] = _timed(fact, domain.kinds[about])
            self._facts[called[fact]] = (domain.kinds[about], label or fact.replace("_", " "))
        self._set = tuple(called.get(fact, fact) for fact in entity.set)
        self._kinds = {self._key: domain.kinds[kind]}
        self._kinds |= {fact: kind for fact, (kind, _) in self._facts.items()}
        self._find = [self._part(*given) for given in entity.find.items()]
        self._make = [self._part(*given) for given in entity.make.items()]
        for filter_, kind, _, _ in [*self._find, *self._make]:
            self._kinds.setdefault(filter_, kind)

    def drafts(self) -> Iterator[Draft]:
        """Yield a draft for each verb and fact that the entity has something for."""
        coded = self._kinds[self._key].code
        extras = [n for n, v in verbs().items() if v.per == "extra" and (coded or not v.coded)]
        start = zlib.crc32(self._name.encode())
        taken = {extras[(start + at) % len(extras)] for at in range(_EXTRAS)}
        for name, verb in verbs().items():
            if verb.per == "extra" and name not in taken:
                continue
            if not self._has(name, verb):
                continue
            for fact in self._of(verb):
                yield self._draft(name, verb, fact)

    def _has(self, name: str, verb: Verb) -> bool:
        """True if the entity has what a verb works on."""
        if name == "update":
            return len(self._set) > 1
        if name == "delete":
            return bool(self._make) or "delete" in self._entity.words
        return bool({"find": self._find, "make": self._make}.get(verb.with_, True))

    def _of(self, verb: Verb) -> list[str]:
        """Return the facts for which there is a tool, "" for none."""
        numeric = [
            fact
            for fact, (kind, _) in self._facts.items()
            if kind.numeric and kind.name not in _NOT_COMPARED and fact not in _PLACES
        ]
        changing = [fact for fact in numeric if self._kinds[fact].name in _CHANGING]
        per = {
            "fact": list(self._facts),
            "set": list(self._set),
            "number": numeric[:1],
            "changing": changing[:1],
            "numbers": numeric[:2],
        }
        return per.get(verb.per, [""])

    def _draft(self, name: str, verb: Verb, fact: str) -> Draft:
        arguments: dict[str, Kind] = {}
        optional = list(verb.optional)
        tail = ""
        parts = self._make if verb.with_ == "make" else self._find
        if verb.with_:
            for at, (part, kind, phrase, may) in enumerate(parts):
                if verb.with_ == "first" and at:
                    break
                free = verb.with_ == "first" or (may and (at > 0 or verb.with_ == "make"))
                arguments[part] = kind
                optional += [part] if free else []
                tail += f"[ {phrase}]" if free else f" {phrase}"
        said = self._said(fact, tail, made=self._made(arguments))

        def put(text: str) -> str:
            return _filled(text, said)

        for argument, kind in verb.arguments.items():
            arguments[put(argument)] = self._kind(put(kind))
        returns = {put(key): self._kind(put(kind)) for key, kind in verb.returns.items()}
        if name == "get":
            returns = {f: kind for f, (kind, _) in list(self._facts.items())[:3]}
        requests = [
            text for frame in frames_of(self._domain.split)[name] for text in expanded(put(frame))
        ]
        return Draft(
            self._domain,
            self._name,
            tuple(put(verb.name).replace("_", " ").split(" ")),
            arguments,
            tuple(argument for argument in arguments if argument not in optional),
            tuple(dict.fromkeys(_articles(text) for text in requests)),
            put(verb.thing),
            put(verb.does),
            verb.query,
            tuple(map(put, verb.result)),
            returns,
        )

    def _made(self, arguments: Mapping[str, Kind]) -> str:
        """Return the field of what identifies a new one: its code, or else an id."""
        coded = self._kinds[self._key].code and self._key not in arguments
        return self._key if coded else f"{self._name}_id"

    def _said(self, fact: str, tail: str, made: str) -> dict[str, str]:
        """Return what the placeholders of a verb say."""
        words = self._entity.words
        create, delete = (
            words.get("create", ["create", "add"]),
            words.get("delete", ["delete", "remove"]),
        )
        fact = fact or (self._set[0] if self._set else next(iter(self._facts)))
        second = self._set[1] if len(self._set) > 1 else fact
        plural = self._entity.plural or plural_of(self._noun)
        same = self._entity.plural == self._noun
        summary = [f"the {label} is {{{f}}}" for f, (_, label) in list(self._facts.items())[:3]]
        return {
            "name": self._name,
            "names": self._name if same else plural_of(self._name),
            "noun": self._noun,
            "a_noun": a_noun(self._noun),
            "plural": plural,
            "key": self._key,
            "ref": self._ref(self._key),
            "one": self._ref(f"first_{self._key}"),
            "two": self._ref(f"second_{self._key}"),
            "fact": fact,
            "fact2": second,
            "label": self._label(fact),
            "second": self._label(second),
            "value": f"{{{fact}}}{self._unit(fact)}",
            "value2": f"{{{second}}}{self._unit(second)}",
            "limit_value": f"{{threshold}}{self._unit(fact)}",
            "unit": self._unit(fact),
            "create": create[-1],
            "create_name": create[0],
            "delete": delete[-1],
            "delete_name": delete[0],
            "made": made,
            "summary": " and ".join(filter(None, [", ".join(summary[:-1]), summary[-1]])),
            "tail": tail,
            "one_tail": _SINGULAR.sub(r"\1s", tail.replace("that are", "that is")),
        }

    def _kind(self, name: str) -> Kind:
        if name == "done":
            return _DONE
        if name in self._kinds:
            return self._kinds[name]
        return self._domain.kinds.get(name, self._domain.kinds["id"])

    def _label(self, fact: str) -> str:
        return self._facts[fact][1] if fact in self._facts else fact.replace("_", " ")

    def _unit(self, fact: str) -> str:
        unit = self._kinds[fact].unit if fact in self._kinds else ""
        return f" {unit}" if unit and unit not in self._label(fact) else ""

    def _ref(self, slot: str) -> str:
        form = self._entity.ref or f"the {self._noun} {{}}"
        return form.replace("{}", f"{{{slot}}}")

    def _part(self, key: str, text: str | None) -> tuple[str, Kind, str, bool]:
        """Return name, kind, phrase with its slot, and whether it is optional."""
        name, about = _split(key.replace("~", ""))
        kind = self._domain.kinds[about]
        phrase = kind.phrase if text is None else text
        return name, kind, phrase.replace("{}", f"{{{name}}}"), "~" in key


def _filled(text: str, said: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled; `<Noun>` is written with a capital."""

    def one(found: re.Match[str]) -> str:
        value = said[found[1].lower()]
        return value[:1].upper() + value[1:] if found[1][0].isupper() else value

    return re.sub(r"<(\w+)>", one, text)


def _articles(text: str) -> str:
    """Return a sentence with `an` before a vowel."""
    return re.sub(r"\ba (?=[aeio]\w)(?!one|eu|uni)", "an ", text)


def _timed(fact: str, kind: Kind) -> str:
    """Return a fact's name, that of a time or day with that word in it: starts → start_time."""
    word = "date" if kind.schema.get("format") == "date" else kind.name
    if word not in ("time", "date") or word in fact or fact == "birthday":
        return fact
    return f"{fact[:-1] if fact.endswith('s') else fact}_{word}"


def _split(key: str) -> tuple[str, str]:
    name, _, kind = key.partition(":")
    return name, kind or name
