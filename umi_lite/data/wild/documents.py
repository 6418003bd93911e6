"""Drafts named and documented the way real tools are: cases, prefixes, long and short docs."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.names import content_words
from umi_lite.data.synth.shapes import DONE
from umi_lite.data.synth.wording import SLOT, SynthTool, Wording
from umi_lite.data.wild.drafts import Draft
from umi_lite.data.wild.lexicon import Kind, read_yaml
from umi_lite.protocol.trajectory import Tool

_CASES: dict[str, Callable[[Sequence[str]], str]] = {
    "snake": "_".join,
    "camel": lambda words: words[0] + "".join(map(str.capitalize, words[1:])),
    "pascal": lambda words: "".join(map(str.capitalize, words)),
    "kebab": "-".join,
}


class _Words(BaseModel):
    """`documents.yaml`: names of arguments by kind, of verbs, sentences, further arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    called: dict[str, tuple[str, ...]]
    verbs: dict[str, tuple[str, ...]]
    long: tuple[str, ...]
    further: dict[str, dict[str, Any]]


@cache
def _words() -> _Words:
    return _Words.model_validate(read_yaml("documents.yaml"))


class Style:
    """How one provider names and documents its tools: all tools of a topic share one."""

    def __init__(self, draft: Draft):
        rng = random.Random(f"style {draft.domain.name} {draft.topic}")
        self.case = rng.choices(("snake", "camel", "pascal", "kebab"), (60, 28, 5, 7))[0]
        self.prefix = rng.choices(("", "dotted", "joined"), (66, 22, 12))[0]
        self.api = rng.choice(draft.domain.api)
        self.argument_case = "snake" if self.case in ("snake", "kebab") else "camel"
        if rng.random() < 0.1:
            self.argument_case = "camel" if self.argument_case == "snake" else "snake"
        self.called = {
            kind: rng.choice(names)
            for kind, names in _words().called.items()
            if rng.random() < 0.35
        }
        self.verbs = {verb: rng.choice(words) for verb, words in _words().verbs.items()}
        self.docs = rng.choices(("short", "long", "none"), (50, 32, 18))[0]

    def name(self, words: Sequence[str], domain: str | None = None) -> str:
        """Return a tool's name; with a domain, one that no other domain has."""
        said = [self.verbs.get(words[0], words[0]), *words[1:]]
        if domain and self.prefix != "joined":
            said = [*said, "in", *domain.split("_")]
        if self.prefix == "joined":
            return _CASES[self.case]([*(domain or self.api).split("_"), *said])
        name = _CASES[self.case](said)
        if self.prefix == "dotted":
            api = self.api.capitalize() if self.case == "pascal" else self.api
            return f"{api}.{name}"
        return name

    def argument(self, name: str, kind: Kind, taken: set[str]) -> str:
        """Return what an argument or a result's field is called."""
        called = self.called.get(kind.name, name) if name == kind.name else name
        called = name if called in taken else called
        return _CASES[self.argument_case](called.split("_"))


def documented(draft: Draft, style: Style, name: str) -> SynthTool:
    """Return a draft as a tool with a style's names and docs."""
    rng = random.Random(f"docs {name}")
    names: dict[str, str] = {}
    for argument, kind in draft.arguments.items():
        names[argument] = style.argument(
            argument, kind, {*draft.arguments, *names.values()} - {argument}
        )
    fields: dict[str, str] = {}
    for key, kind in draft.returns.items():
        known = names.get(key) or style.argument(key, kind, {*draft.returns} - {key})
        fields[key] = known
    properties = {
        names[a]: _schema(rng, draft, a, kind, style.docs) for a, kind in draft.arguments.items()
    }
    required = [names[a] for a in draft.required]
    requests, properties = _grouped(rng, draft, names, properties, style)
    _add_further(rng, draft, style, properties)
    if rng.random() < 0.15:
        shuffled = rng.sample(list(properties), len(properties))
        properties = {key: properties[key] for key in shuffled}
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if rng.random() < 0.3:
        parameters["additionalProperties"] = False
    tool = Tool(
        name=name, description=_description(rng, draft, style, fields), parameters=parameters
    )
    about = content_words(name)
    requests = tuple(_without_units(text, properties, about) for text in requests)
    result = tuple(_renamed(text, {**names, **fields}) for text in draft.result)
    returns = {fields[key]: _return_kind(draft, kind) for key, kind in draft.returns.items()}
    return SynthTool(tool, Wording(requests, draft.thing, result, returns), draft.domain.name)


def _renamed(template: str, names: Mapping[str, str]) -> str:
    return SLOT.sub(lambda found: f"{{{names.get(found[1], found[1])}}}", template)


def _schema(
    rng: random.Random, draft: Draft, argument: str, kind: Kind, docs: str
) -> dict[str, Any]:
    schema = {key: value for key, value in kind.schema.items() if key != "x-code"}
    if "examples" in schema:
        schema["examples"] = _examples(schema["examples"], draft)
    said = argument.replace("_", " ")
    doc = (
        kind.doc
        if argument == kind.name
        else f"{said} ({kind.doc})"
        if said not in kind.doc
        else kind.doc
    )
    if docs == "long" or (docs == "none" and schema.get("format") == "date"):
        doc = doc[:1].upper() + doc[1:] + ("." if docs == "long" else "")
    if (docs != "none" and rng.random() > 0.12) or schema.get("format") == "date":
        schema["description"] = doc
    if argument not in draft.required:
        roll = rng.random()
        if roll < 0.12 and isinstance(schema.get("type"), str) and "enum" not in schema:
            schema["type"] = [schema["type"], "null"]
            schema["default"] = None
        elif roll < 0.3 and "enum" in schema:
            schema["default"] = schema["enum"][0]
    elif rng.random() < 0.04 and schema.get("type") == "integer" and "enum" not in schema:
        schema["type"] = ["integer", "string"]
    return schema


def _examples(values: Sequence[Any], draft: Draft) -> list[Any]:
    """Return at most ten examples, drawn by domain and topic."""
    rng = random.Random(f"examples {draft.domain.name} {draft.topic} {values[0]}")
    return rng.sample(list(values), min(10, len(values)))


def _grouped(
    rng: random.Random,
    draft: Draft,
    names: Mapping[str, str],
    properties: dict[str, Any],
    style: Style,
) -> tuple[list[str], dict[str, Any]]:
    """Put optional arguments into an object, for some tools; no request mentions it then."""
    requests = [_renamed(text, names) for text in draft.requests]
    optional = [names[a] for a in draft.arguments if a not in draft.required]
    if len(optional) < 2 or rng.random() > 0.5:
        return requests, properties
    group = rng.choice(("options", "filters", "details") if draft.query else ("options", "details"))
    inner = {key: properties[key] for key in optional}
    kept = [text for text in requests if not any(f"{{{key}}}" in text for key in optional)]
    if not kept:
        return requests, properties
    made = {key: value for key, value in properties.items() if key not in optional}
    made[group] = {"type": "object", "properties": inner}
    if style.docs != "none":
        made[group]["description"] = f"further {group}" if group != "details" else "further details"
    return kept, made


def _add_further(
    rng: random.Random, draft: Draft, style: Style, properties: dict[str, Any]
) -> None:
    """Add optional arguments that no request mentions."""
    if rng.random() > 0.3:
        return
    fitting = (
        ("limit", "page", "verbose", "locale", "sort_order", "fields")
        if draft.query
        else ("dry_run", "verbose", "callback_url", "locale")
    )
    for name in rng.sample(fitting, rng.choice((1, 1, 2))):
        called = _CASES[style.argument_case](name.split("_"))
        if called not in properties and name not in draft.arguments:
            schema = dict(_words().further[name])
            if style.docs == "none":
                schema.pop("description")
            properties[called] = schema


def _description(rng: random.Random, draft: Draft, style: Style, fields: Mapping[str, str]) -> str:
    form = rng.choices(("plain", "bare", "long", "none"), (48, 18, 28, 6))[0]
    if form == "none":
        return ""
    text = draft.does
    if form == "bare":
        return text
    if form == "long":
        known = {
            "returns": " and ".join(human for human in (key.replace("_", " ") for key in fields))
            or "the state",
            "arguments": " and ".join(a.replace("_", " ") for a in draft.required)
            or "nothing else",
            "domain": draft.domain.name.replace("_", " "),
        }
        more = rng.sample(_words().long, rng.choice((1, 1, 2)))
        return " ".join([f"{text}.", *(one.format(**known) for one in more)])
    return f"{text}."


_UNITS = {
    "percent": "percent",
    "minutes": "minutes",
    "hours": "hours",
    "days": "days",
    "weeks": "weeks",
    "seconds": "seconds",
}


def _without_units(template: str, properties: Mapping[str, Any], about: frozenset[str]) -> str:
    """Drop the unit after a slot whose value is said with its unit ("two hours", "15%")."""
    for slot in SLOT.findall(template):
        facts = properties.get(slot)
        if not isinstance(facts, dict) or "enum" in facts:
            continue
        types = facts.get("type")
        first = types[0] if isinstance(types, list) else types
        if first not in ("integer", "number"):
            continue
        kind = kind_of(slot, {**facts, "type": first}, about)
        if kind in _UNITS:
            unit = _UNITS[kind]
            template = re.sub(
                rf"\{{{re.escape(slot)}\}} (?:{unit}|nights)\b", f"{{{slot}}}", template
            )
    return template


_FORMATS = {"date": "date", "email": "email", "uri": "url", "ipv4": "ip"}
# Kinds that synth draws values of.
_SHARED = frozenset(
    {"time", "city", "country", "person", "phone", "address", "language", "company"}
)


def _return_kind(draft: Draft, kind: Kind) -> str:
    """Return how values of a result's field are drawn: a kind of synth, a range or alternatives."""
    schema = kind.schema
    if kind.name == "done":
        return DONE
    if kind.name in _SHARED or schema.get("format") in _FORMATS:
        return _FORMATS.get(schema.get("format", ""), kind.name)
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if kind.numeric:
        return f"{schema['minimum']}..{schema['maximum']}"
    if kind.name == "id":
        return "id"
    return "|".join(_examples(schema["examples"], draft))
