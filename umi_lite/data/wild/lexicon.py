"""The words of wild's tools, read from YAML: domains, their acts and entities, kinds of values.

A domain has `acts`, written one by one, and `entities`, from which `grammar` makes tools by verbs.
In `ask` a slot is `{kind}` or `{argument:kind}`, and what is in brackets may be left out: an
argument that some sentence does without is optional. In `find`, `make` and `facts` a key is `kind`
or `name:kind`, with `~` after it where it is optional; its value is the phrase that a request
attaches ("with {}"; default: the kind's), for facts the label.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from umi_lite.data.synth.pools import Split

_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Act(_Model):
    """A tool written by hand.

    Attributes:
        do: a noun phrase of what it finds or changes.
        does: a sentence that begins with a verb, where the act's name does not say it.
        ask: requests; `give`: result field to kind; `say`: answers.
    """

    do: str
    does: str = ""
    ask: tuple[str, ...]
    give: dict[str, str]
    say: tuple[str, ...]


class Entity(_Model):
    """A thing that tools find, make and change.

    Attributes:
        key: the argument that names one of them, `name` or `name:kind`.
        ref: how a request names one ("order {}"), default the noun and the key.
        find: what lists of them are narrowed by; make: what a new one needs.
        facts: what is known of one; set: those that can be changed.
        words: verbs that people use for `create` and `delete`.
    """

    key: str
    ref: str = ""
    noun: str = ""
    plural: str = ""
    find: dict[str, str | None] = {}
    make: dict[str, str | None] = {}
    facts: dict[str, str | None]
    set: tuple[str, ...] = ()
    words: dict[str, Any] = {}


class _Domain(_Model):
    split: Split = "train"
    api: tuple[str, ...]
    pools: dict[str, Any] = {}
    acts: dict[str, Act]
    entities: dict[str, Entity]


@dataclass(frozen=True)
class Kind:
    """A kind of values.

    Attributes:
        schema: a JSON Schema without a description.
        doc: the description of an argument of this kind.
        phrase: how a request attaches a value ("in {}"), "" for none.
        unit: said after a number.
    """

    name: str
    schema: Mapping[str, Any]
    doc: str
    phrase: str = ""
    unit: str = ""

    @property
    def numeric(self) -> bool:
        return self.schema.get("type") in ("number", "integer") and "enum" not in self.schema

    @property
    def code(self) -> bool:
        return self.schema.get("x-code", False)


@dataclass(frozen=True)
class Domain:
    """A domain with its kinds resolved."""

    name: str
    split: Split
    api: tuple[str, ...]
    acts: Mapping[str, Act]
    entities: Mapping[str, Entity]
    kinds: Mapping[str, Kind]


class _KindSpec(BaseModel):
    model_config = ConfigDict(extra="allow")
    doc: str = ""
    phrase: str = ""
    unit: str = ""
    code: str = ""
    examples: list[Any] = Field(default_factory=list)


def _kind(name: str, value: Any) -> Kind:
    if isinstance(value, list):
        value = {"examples": value}
    spec = _KindSpec.model_validate(value)
    schema: dict[str, Any] = {"type": "string", **(spec.model_extra or {})}
    doc = spec.doc or name.replace("_", " ")
    if spec.code:
        rng = random.Random(f"code {spec.code}")
        schema["examples"] = [_code(rng, spec.code) for _ in range(40)]
        schema["x-code"] = True
        doc = spec.doc or f"{doc}, e.g. {schema['examples'][0]}"
    elif spec.examples:
        schema["examples"] = spec.examples
    return Kind(name, schema, doc, spec.phrase, spec.unit)


def _code(rng: random.Random, form: str) -> str:
    """Return a code of a form: `#` is a digit, `@` a letter."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    signs = {"#": lambda: str(rng.randint(1, 9)), "@": lambda: rng.choice(letters)}
    return "".join(signs[c]() if c in signs else c for c in form)


def read_yaml(*names: str) -> Any:
    """Return what a YAML file of this package holds."""
    place = files("umi_lite.data.wild").joinpath(*names)
    return yaml.load(
        place.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )


DOMAIN_FILES = ("daily", "out_and_about", "money_and_work", "science_and_tech", "held_out")


@cache
def domains() -> tuple[Domain, ...]:
    """Return all domains, in the order of the files."""
    common = {name: _kind(name, value) for name, value in read_yaml("kinds.yaml").items()}
    made: list[Domain] = []
    for file in DOMAIN_FILES:
        for name, tree in read_yaml("domains", f"{file}.yaml").items():
            one = _Domain.model_validate(tree)
            own = {pool: _kind(pool, value) for pool, value in one.pools.items()}
            made.append(Domain(name, one.split, one.api, one.acts, one.entities, {**common, **own}))
    return tuple(made)


def slot_kinds(template: str) -> list[tuple[str, str]]:
    """Return (argument, kind) of a template's slots."""
    return [(name, kind or name) for name, kind in _SLOT.findall(template)]


def bare(template: str) -> str:
    """Return a template with `{argument}` in place of `{argument:kind}`."""
    return _SLOT.sub(lambda found: f"{{{found[1]}}}", template)


@cache
def frames_of(split: Split) -> Mapping[str, tuple[str, ...]]:
    """Return the sentences of a split, by verb."""
    return {verb: tuple(texts) for verb, texts in read_yaml("frames.yaml")[split].items()}
