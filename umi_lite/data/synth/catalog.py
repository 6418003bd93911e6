"""A set of tools, ready to make tasks from: which can be used, what fits what, and company."""

import datetime
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from umi_lite.data.rows import Dropped
from umi_lite.data.synth.arguments import draw_arguments
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.free import freed
from umi_lite.data.synth.generic import generic
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.links import Link, links_of
from umi_lite.data.synth.names import (
    OPPOSITES,
    base_verb,
    content_words,
    said_words,
    words,
    words_of,
)
from umi_lite.data.synth.plans import Mix
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.shapes import returns_of, with_settings
from umi_lite.data.synth.values import NUMBERS, CannotDraw
from umi_lite.data.synth.wording import SynthTool, slots_of
from umi_lite.errors import UserError
from umi_lite.protocol.constraints import Check, held
from umi_lite.protocol.trajectory import Tool

_MOST_REQUIRED = 8
# Kinds of texts that a tool can know or not know, so that a misspelled one is refused.
MISSPELLED = frozenset(
    words(
        "city person product company artist book movie song hotel restaurant project team dish "
        "medicine country plant device exercise"
    )
)


@dataclass
class Catalog:
    """A set of tools, ready to make tasks from.

    Attributes:
        tools: by name; only those whose arguments can be drawn.
        pairs: (setter, getter), and the setters by getter.
        links: by consumer.
        dropped: the tools that are left out, each with its reason.
        guessed: tools whose result is but a guess: no chain begins with them.
    """

    tools: dict[str, SynthTool] = field(default_factory=dict)
    returns: dict[str, dict[str, str]] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    setters: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, list[Link]] = field(default_factory=dict)
    domains: dict[str, list[str]] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    guessed: set[str] = field(default_factory=set)
    _alike: dict[str, bool] = field(default_factory=dict)
    _twins: dict[tuple[str, int], SynthTool] = field(default_factory=dict)

    def worded(self, name: str) -> bool:
        """True if a tool's results are known from its wording."""
        return self.tools[name].wording is not None

    def free_results(self) -> None:
        """Make results free text where nothing is known of them and no other call needs them."""
        kept = {(link.producer, link.field) for links in self.links.values() for link in links}
        for name, fields in self.returns.items():
            if not self.worded(name) and not self.setters.get(name):
                needed = frozenset(field for field in fields if (name, field) in kept)
                self.returns[name] = freed(fields, needed, name in self.guessed)

    def possible(self, kind: str) -> str:
        """Return why tasks of a kind cannot be made, "" where they can."""
        if not self.tools:
            return "no tool can be used"
        if kind in ("two_chain", "three_chain") and not self.links:
            return "no tool's result fits another tool's argument"
        if kind == "three_chain" and not any(map(self.long_chain, self.links)):
            return "no tool's result fits another's argument twice in a row"
        if kind == "settings" and not self.pairs:
            return "no tool reads what another one sets"
        if kind == "computed" and not any(map(self.computable, self.tools.values())):
            return "no tool gives one number, name or date"
        if kind == "retry" and not any(map(self.misspellable, self.tools.values())):
            return "no tool takes a name that could be misspelled"
        if kind == "missing" and not any(self.omittable(tool) for tool in self.tools.values()):
            return "no tool has a required argument"
        if kind == "unsupported" and len(self.tools) < 3:
            return "there are fewer than three tools"
        return ""

    def long_chain(self, name: str) -> bool:
        """True if a tool needs the result of one that needs the result of another."""
        return any(
            other.producer != name
            for link in self.links[name]
            for other in self.links.get(link.producer, ())
        )

    def misspellable(self, made: SynthTool) -> bool:
        """True if a tool may not know a value that it is given."""
        properties = made.tool.parameters.get("properties", {})
        parts = [(name, properties.get(name)) for name in made.tool.parameters.get("required", ())]
        return made.function is None and any(
            isinstance(part, dict)
            and part.get("type") == "string"
            and not part.keys() & {"enum", "const", "pattern"}
            and kind_of(name, part, made.context) in MISSPELLED
            for name, part in parts
        )

    def computable(self, made: SynthTool) -> str:
        """Return what the one result of a tool is, `number`, `text` or `date`; "" for another."""
        returns = self.returns[made.tool.name]
        if made.verb != "query" or made.function is not None or len(returns) != 1:
            return ""
        (kind,) = returns.values()
        if ".." in kind or (kind in NUMBERS and kind not in ("id", "latitude", "longitude")):
            return "number"
        if kind == "date":
            return "date"
        named = "|" in kind and not re.search(r"[\d_]", kind)
        return "text" if named or kind in ("person", "company", "city", "book", "title") else ""

    def omittable(self, made: SynthTool) -> list[str]:
        """Return the required arguments that a request could leave out, which nothing implies."""
        properties = made.tool.parameters.get("properties", {})
        found: list[str] = []
        for name in made.tool.parameters.get("required", ()):
            part = properties.get(name)
            facts = part if isinstance(part, dict) else {}
            said = str(facts.get("description", "")).lower()
            if facts.get("type") in ("string", "integer", "number") and not (
                "default" in facts or "const" in facts or "default" in said or "optional" in said
            ):
                found.append(name)
        return found

    def clash(self, one: SynthTool, other: SynthTool) -> bool:
        """True if both could be meant by the same request."""
        if one.tool.name == other.tool.name or thing_of(one) == thing_of(other):
            return True
        if (one.verb == "query") != (other.verb == "query"):
            return False
        if one.verb != other.verb and one.verb != "query":
            return one.about == other.about and not {one.verb, other.verb} <= _UNLIKE
        mine, others = one.about, other.about
        return not mine or not others or mine <= others or others <= mine

    def alike(self, made: SynthTool) -> bool:
        """True if what a tool's description says could mean another tool as well.

        "Read a file" of read_media_file could mean read_text_file: its words are among those of
        the other one's name and description. Or one description begins as the other does.
        """
        if made.wording is not None:
            return False
        name = made.tool.name
        if name not in self._alike:
            others = (one for other, one in self.tools.items() if other != name)
            self._alike[name] = any(_could_mean(made, one) for one in others)
        return self._alike[name]

    def twin(self, rng: random.Random, made: SynthTool) -> SynthTool | None:
        """Return a near-twin of a tool: the same arguments, another verb."""
        variant = rng.randrange(2)
        known = self._twins.get((made.tool.name, variant))
        if known is None:
            spec = _twin_spec(made.tool, variant)
            if spec is None or spec.name in self.tools:
                return None
            known = self._twins[(made.tool.name, variant)] = SynthTool(spec, None, made.domain)
        return known

    def company(
        self,
        rng: random.Random,
        needed: Sequence[SynthTool],
        mix: Mix,
        absent: Sequence[SynthTool] = (),
    ) -> list[SynthTool]:
        """Return the tools to offer, shuffled: the needed ones among others that could not do it.

        Args:
            absent: tools that must not be offered, nor any that could be meant by the same request.
        """
        size = max(len(needed), choice(rng, *mix.sizes))
        chosen = {made.tool.name: made for made in needed}
        avoided = [*needed, *absent]

        def offer(made: SynthTool) -> None:
            if made.tool.name not in chosen and not any(self.clash(made, one) for one in avoided):
                chosen[made.tool.name] = made

        if needed and len(chosen) < size and rng.random() < mix.twins:
            twin = self.twin(rng, choice(rng, needed))
            if twin is not None:
                offer(twin)
        names = list(self.tools)
        near = [name for one in avoided for name in self.domains.get(one.domain, ())]
        for _ in range(4 * size):
            if len(chosen) >= size:
                break
            pool = near if near and rng.random() < 0.5 else names
            offer(self.tools[choice(rng, pool)])
        tools = list(chosen.values())
        rng.shuffle(tools)
        return tools


# Verbs that ask for different things of the same object.
_UNLIKE = frozenset(
    words(
        "create delete add remove cancel send update set move copy start stop open close lock "
        "unlock buy sell archive"
    )
)


def thing_of(made: SynthTool) -> str:
    """Return a noun phrase of what a tool does."""
    if made.wording is not None:
        return made.wording.thing
    return generic(made.tool.name, made.tool.description).thing


def _could_mean(made: SynthTool, other: SynthTool) -> bool:
    mine, thing = thing_of(made), thing_of(other)
    if mine.startswith(thing) or thing.startswith(mine):
        return True
    if made.verb != other.verb:
        return False
    known = said_words(thing) | content_words(other.tool.name)
    return said_words(mine) <= known


def _twin_spec(tool: Tool, variant: int) -> Tool | None:
    head, dot, last = tool.name.rpartition(".")
    words = words_of(last)
    if len(words) < 2 or (verb := base_verb(words[0])) not in OPPOSITES:
        return None
    other = OPPOSITES[verb] if variant == 0 else {"delete": "restore"}.get(verb, "bookmark")
    name = f"{other}{last[len(words[0]) :]}" if last.lower().startswith(words[0]) else None
    if name is None:
        return None
    if last[:1].isupper():
        name = name[:1].upper() + name[1:]
    noun = " ".join(words[1:])
    article = "" if noun.endswith("s") else ("an " if noun[:1] in "aeio" else "a ")
    return Tool(
        name=f"{head}{dot}{name}",
        description=f"{other.capitalize()} {article}{noun}.",
        parameters=tool.parameters,
    )


def catalog_of(tools: Sequence[SynthTool], seed: int, split: Split) -> Catalog:
    """Return the tools that can be used, with what fits what; the others with their reasons."""
    made = Catalog()
    for one in tools:
        name = one.tool.name
        why = (
            f"another tool is named {name!r}" if name in made.tools else unusable(one, seed, split)
        )
        if why:
            made.dropped.append(Dropped(f"tool {name}", why))
            continue
        made.tools[name] = one
        made.returns[name], guessed = returns_of(one)
        if guessed:
            made.guessed.add(name)
        made.domains.setdefault(one.domain, []).append(name)
    for names in made.domains.values():
        made.pairs += with_settings([made.tools[name] for name in names], made.returns)
    for setter, getter in made.pairs:
        made.setters.setdefault(getter, []).append(setter)
    made.links = links_of(made.tools, made.returns, made.guessed)
    made.free_results()
    return made


def unusable(made: SynthTool, seed: int, split: Split) -> str:
    """Return why no task can be made for a tool, "" where some can."""
    if "deprecated" in made.tool.description.lower():
        return "its description calls it deprecated"
    parameters = made.tool.parameters
    try:
        held(parameters, f"tool {made.tool.name}")
        if len(parameters.get("required", ())) > _MOST_REQUIRED:
            return f"more than {_MOST_REQUIRED} arguments are required"
        braced = [name for name in parameters.get("properties", {}) if {"{", "}"} & set(name)]
        if braced:
            return f"its argument {braced[0]!r} has a brace in its name"
        wording = made.wording
        if wording is not None:
            known = parameters.get("properties", {})
            for template in wording.requests:
                strange = [slot for slot in slots_of(template) if slot not in known]
                if strange:
                    return f"its wording has a slot {strange[0]!r} that is not an argument"
            for template in wording.result:
                strange = [
                    slot for slot in slots_of(template) if slot not in {*known, *wording.returns}
                ]
                if strange:
                    return f"its result has a slot {strange[0]!r} that is not a field"
        check = Check(parameters)
        faults = ""
        for attempt in range(3):
            rng = random.Random(f"probe {seed} {made.tool.name} {attempt}")
            d = Drawing(
                rng,
                split,
                datetime.date(2026, 1, 15),
                about=made.context,
                defs=parameters.get("$defs", {}),
            )
            drawn = draw_arguments(d, made, parameters.get("required", ()))
            faults = check.fault({name: one.value for name, one in drawn.items()}) or ""
            if not faults:
                return ""
        return f"the values drawn do not fit its schema: {faults[:120]}"
    except CannotDraw as err:
        return str(err)
    except UserError as err:
        return re.sub(r"^tool [^:,]*[:,] ", "", str(err))
    except RecursionError:
        return "its schema refers to itself without an end"
