"""One gold call of a task: its arguments, how the request says them, and what its answer says."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.synth.arguments import draw_arguments
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.generic import (
    Clause,
    by_name,
    generic,
    of_details,
    plainer,
    with_clause,
)
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.links import Link
from umi_lite.data.synth.names import entity_of, human, is_plural, singular, words, words_of
from umi_lite.data.synth.phrases import joined, phrase
from umi_lite.data.synth.plans import Mix
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.requests import Ask, Named
from umi_lite.data.synth.rewording import reworded
from umi_lite.data.synth.values import NUMBERS, Drawn, quoted
from umi_lite.data.synth.wording import SLOT, SynthTool, slots_of

# Shares of the requests that use the words of a tool's name, of those of its description that
# leave out its adjectives, of alike tools' that say more of the things, and that ask for details.
_BY_NAME, _PLAINER, _CLAUSE, _DETAILED = 0.5, 0.5, 0.5, 0.4


class Misfit(Exception):
    """This draw makes no good task: draw again. The message is counted."""


@dataclass
class Part:
    """A call to make.

    Attributes:
        drawn: the arguments that the instruction says, with their values.
        links: the arguments that an earlier part's result gives.
        template: the request of the tool's wording that is used; None for a generic one.
        omitted: a required argument that the request leaves out.
        compute: returns the arguments that an earlier call's result gives; None for no such ones.
    """

    made: SynthTool
    drawn: dict[str, Drawn] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    template: str | None = None
    omitted: str | None = None
    compute: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    @property
    def properties(self) -> dict[str, Any]:
        return self.made.tool.parameters.get("properties", {})

    def said(self) -> list[list[str]]:
        """Return [argument, how the instruction says it] for each argument drawn."""
        return [[name, one.said] for name, one in self.drawn.items() if name != self.omitted]


def draw_part(
    d: Drawing, made: SynthTool, mix: Mix, links: Sequence[Link] = (), omitted: str | None = None
) -> Part:
    """Return a part with its arguments drawn: the required ones, and some optional ones.

    Raises:
        CannotDraw: an argument has no value.
    """
    parameters = made.tool.parameters
    d.about, d.defs = made.context, parameters.get("$defs", {})
    linked = {link.argument: link for link in links}
    part = Part(made, links=linked, omitted=omitted)
    required = list(parameters.get("required", ()))
    if made.wording is not None and made.wording.requests:
        part.template = choice(d.rng, made.wording.requests)
        named = slots_of(part.template)
    else:
        named = _optional(d.rng, part, required, mix)
    names = [n for n in dict.fromkeys([*required, *named]) if n not in linked]
    part.drawn = draw_arguments(d, made, names)
    return part


def _optional(rng: random.Random, part: Part, required: Sequence[str], mix: Mix) -> list[str]:
    """Return at most two optional arguments that a request can mention."""
    taken: list[str] = []
    kinds = {name: _kind(part, name) for name in part.properties}
    named = {"topic", "product"} & {kinds[name] for name in required if name in kinds}
    for name, schema in part.properties.items():
        facts = schema if isinstance(schema, dict) else {}
        chance = mix.optional * (0.3 if facts.get("type") in ("boolean", "object") else 1)
        if named and kinds[name] == "category":
            # The thing named may not be of the category drawn.
            continue
        if name not in required and rng.random() < chance and facts.get("type") != "null":
            taken.append(name)
    # Every optional argument has the same chance, however many there are.
    return rng.sample(taken, min(2, len(taken)))


def ask_of(rng: random.Random, part: Part, split: Split, alike: bool = False) -> Ask:
    """Return how the instruction asks for a part.

    Args:
        alike: another tool's description begins as this one's, so it is asked for by its name.

    Raises:
        Misfit: its wording cannot be used with what is linked or left out.
    """
    texts = {name: quoted(one) for name, one in part.drawn.items() if name != part.omitted}
    if part.template is not None:
        # A wording has its own quotes.
        texts = {name: one.said for name, one in part.drawn.items() if name in texts}
        template = _whole(part, part.template)
        if part.omitted:
            template = _left_out(rng, part, template)
        for name, link in part.links.items():
            template = _referring(rng, template, name, link, about=part.made.about)
        text = _filled(template, texts, part.drawn)
        return Named(text) if template.startswith("{") else text
    made = part.made
    kinds = {name: _kind(part, name) for name in [*part.drawn, *part.links] if name != part.omitted}
    # A constant is not asked for: no other value is possible.
    kinds = {name: kind for name, kind in kinds.items() if kind != "const"}
    order = [name for name in part.properties if name in kinds]
    order += [name for name in kinds if name not in order]
    facts = {name: sub if isinstance(sub, dict) else {} for name, sub in part.properties.items()}
    wording = generic(made.tool.name, made.tool.description)
    named = by_name(made.tool.name, made.tool.description)
    detailed = of_details(rng, wording, made.tool.description)
    fuller = with_clause(wording, made.tool.description)
    if detailed is not None and rng.random() < _DETAILED:
        wording = detailed
    elif alike and fuller is not None and rng.random() < _CLAUSE:
        wording = fuller
    elif named is not None and (alike or rng.random() < _BY_NAME):
        wording = named
    elif not alike and rng.random() < _PLAINER:
        wording = plainer(wording)
    clause = choice(rng, wording.clauses({name: kinds[name] for name in order}, facts, made.verb))
    template = clause.text
    for name, link in part.links.items():
        template = _referring(rng, template, name, link)
    template = reworded(rng, template, split)
    return Clause(clause.noun, _filled(template, texts, part.drawn))


def _kind(part: Part, name: str) -> str:
    if name in part.drawn:
        return part.drawn[name].kind
    facts = part.properties.get(name)
    return kind_of(
        name, facts if isinstance(facts, dict) else {"type": "string"}, part.made.context
    )


def _whole(part: Part, template: str) -> str:
    """Return a template that has the slots of all arguments: missing ones are added at its end."""
    slots = slots_of(template)
    missing = [
        name for name in [*part.drawn, *part.links] if name not in slots and name != part.omitted
    ]
    if not missing:
        return template
    bare = template.rstrip(".?!")
    mentions = [
        phrase(name, _kind(part, name), part.properties.get(name) or {}, part.made.verb)
        for name in missing
    ]
    return f"{bare}{joined(mentions)}{template[len(bare) :] or '.'}"


# A preposition before a slot, with what is left out together with it.
_BEFORE = (
    r"(?:,? ?\b(?:with the [\w ]+? of|with (?:an?|the) [\w ]+?|called|named|titled|saying|about|"
    r"for|in|on|at|to|from|by|with|of|until|into|as)"
    r"(?: (?:the|a|an|my|order|booking|account|number|ID|id))*)"
)
_UNIT_AFTER = r"(?: (?:hours|minutes|days|people|guests|nights|euros|dollars))?"


# What "that …" cannot mean in a request that leaves it out.
_NOT_REFERRED = frozenset(
    words("date time datetime list message text topic enum expression boolean sql color glob")
)
_NOT_NOUNS = frozenset(
    words(
        "first second third other value query keyword keywords term text one two left right from "
        "to source target before after start end since until name"
    )
)


def _left_out(rng: random.Random, part: Part, template: str) -> str:
    """Return a template that does not say an argument: without it, or "that order"."""
    name = str(part.omitted)
    one = part.drawn[name]
    last = (words_of(name) or ("",))[-1]
    plain = one.kind in NUMBERS or one.kind in _NOT_REFERRED or len(last) < 3
    plain = plain or last in _NOT_NOUNS or words_of(name)[0] in ("first", "second", "other")
    if plain or rng.random() < 0.3:
        return _without(template, name)
    return _referring(rng, template, name, Link("", name, name), about=part.made.about)


def _without(template: str, name: str) -> str:
    """Return a template without a slot and the preposition before it.

    Raises:
        Misfit: the slot is an object of its own, which the sentence cannot do without.
    """
    slot = re.escape(f"{{{name}}}")
    pattern = rf"{_BEFORE} [\"'#]?{slot}[\"']?{_UNIT_AFTER}"
    cut, count = re.subn(pattern, "", template)
    # "in a {format} file": the article belongs to what follows the slot.
    noun = re.search(rf"\b(?:an?|the) {slot} [a-z]", template)
    if count != 1 or noun or f"{{{name}}}" in cut:
        raise Misfit("the wording cannot leave an argument out")
    return cut


def _referring(
    rng: random.Random,
    template: str,
    name: str,
    link: Link,
    about: frozenset[str] = frozenset(),
) -> str:
    """Return a template that says an argument as what an earlier result gave: "that city"."""
    noun = human(entity_of(name) or entity_of(link.field) or link.field)
    noun = noun if noun not in ("ID", "to", "from") else human(link.field)
    noun = noun.removesuffix(" name")
    if noun in _NOT_NOUNS:
        noun = "one" if human(link.field) in _NOT_NOUNS else human(link.field)
    slot = re.escape(f"{{{name}}}")
    labels = sorted(
        {noun, human(name), noun.split()[-1]} - {"to", "from", "at", "in"}, key=len, reverse=True
    )
    label = "|".join(map(re.escape, labels))
    # "leave request {leave_id}": words of the tool's name are part of what is referred to.
    mine = "|".join(map(re.escape, sorted(about)))
    if mine and (before := re.search(rf"\b((?:(?:{mine}) )+)[#\"']?{slot}", template)):
        noun = before[1].strip()
        label = re.escape(noun)
    said = choice(rng, (f"that {noun}", f"that {noun}", f"the {noun} you get"))
    pattern = (
        rf"(?:\b(?:the|an?|my) )?(?:\b(?:{label}) )?"
        rf"(?:\b(?:ID|id|number|code|address|name) )?[#\"']?{slot}(?:'s\b|[\"'])?"
        rf"(?: (?:{label})\b)?"
    )
    found = re.search(pattern, template)
    if found is None:
        raise Misfit("the wording has no place for an earlier result")
    ending = "'s" if found[0].endswith("'s") else ""
    if ending or not link.producer:
        said = f"that {noun}"
    return template[: found.start()] + said + ending + template[found.end() :]


def _filled(template: str, texts: Mapping[str, str], drawn: Mapping[str, Drawn]) -> str:
    """Fill a template: one quote at most, `a` or `an` by the value, singular after one."""

    def put(found: re.Match[str]) -> str:
        name = found["slot"]
        text = texts.get(name)
        if text is None:
            return found[0]
        before, after = found["before"] or "", found["after"] or ""
        if before.endswith(('"', "'", "“")) and text.startswith('"'):
            text = text[1:-1]
        if before.rstrip().lower() in ("a", "an") and text[:1].isalpha():
            vowel = text[:1].lower() in "aeio"
            before = ("an " if vowel else "a ") if before[0] == "a" else ("An " if vowel else "A ")
        one = drawn.get(name)
        if one is not None and one.value == 1 and after:
            noun = after.strip()
            after = f" {singular(noun)}" if is_plural(noun) else after
        return before + text + after

    pattern = r"(?P<before>\b[Aa]n? |[\"'“])?\{(?P<slot>[^{}]+)\}(?P<after> [a-z]+s\b)?"
    return re.sub(pattern, put, template)


def missing_slots(text: str) -> list[str]:
    """Return the slots that are still in a text."""
    return SLOT.findall(text)
