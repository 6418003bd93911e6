"""What a task of each kind asks for: its calls, what fails, and the instruction."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from umi_lite.data.synth import requests
from umi_lite.data.synth.catalog import MISSPELLED, Catalog
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.generic import Clause
from umi_lite.data.synth.links import Link
from umi_lite.data.synth.names import human, words_of
from umi_lite.data.synth.parts import Misfit, Part, ask_of, draw_part, missing_slots
from umi_lite.data.synth.plans import Mix
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.shapes import CREATES
from umi_lite.data.synth.simulate import Fault
from umi_lite.data.synth.values import Drawn
from umi_lite.data.synth.wording import SynthTool

_PARTS = {"two_parts": 2, "three_parts": 3, "four_parts": 4}
CHAINS = {"two_chain": 2, "three_chain": 3}


@dataclass
class Draft:
    """A task in the making, about one tool of a catalog."""

    kind: str
    split: Split
    rng: random.Random
    d: Drawing
    mix: Mix
    catalog: Catalog
    about: SynthTool
    parts: list[Part] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    absent: list[SynthTool] = field(default_factory=list)
    also: list[SynthTool] = field(default_factory=list)
    ask: str = ""
    retried: Drawn | None = None

    @property
    def general(self) -> list[SynthTool]:
        """The general tools on offer: those that compute in it, and others."""
        return [*(part.made for part in self.parts if part.compute is not None), *self.also]


def _one(draft: Draft, made: SynthTool) -> None:
    draft.parts = [draw_part(draft.d, made, draft.mix)]
    _word(draft)


def _several(draft: Draft, made: SynthTool) -> None:
    """Independent calls: of the same tool twice, of its domain, or of any."""
    catalog, rng = draft.catalog, draft.rng
    chosen = [made]
    names, near = list(catalog.tools), catalog.domains[made.domain]
    for _ in range(20):
        if len(chosen) == _PARTS[draft.kind]:
            break
        roll = rng.random()
        other = made if roll < 0.15 else catalog.tools[choice(rng, near if roll < 0.7 else names)]
        if other is made or not any(catalog.clash(other, one) for one in chosen):
            chosen.append(other)
    if len(chosen) < _PARTS[draft.kind]:
        raise Misfit("too few tools that are not alike")
    draft.parts = [draw_part(draft.d, one, draft.mix) for one in chosen]
    _word(draft)


def _chain(draft: Draft, made: SynthTool) -> None:
    """Calls of which each needs the result of the one before."""
    catalog, rng = draft.catalog, draft.rng
    links: list[Link | None] = [None]
    tools = [made]
    for left in reversed(range(CHAINS[draft.kind] - 1)):
        known = [
            link for link in catalog.links.get(tools[0].tool.name, ())
            if all(not catalog.clash(catalog.tools[link.producer], one) for one in tools)
            and (left == 0 or link.producer in catalog.links)
        ]  # fmt: skip
        if not known:
            raise Misfit("no chain is that long")
        link = choice(rng, known)
        links[0] = link
        tools.insert(0, catalog.tools[link.producer])
        links.insert(0, None)
    draft.parts = [
        draw_part(draft.d, one, draft.mix, [link] if link else ())
        for one, link in zip(tools, links, strict=True)
    ]
    _word(draft, chained=True)


def _settings(draft: Draft, getter: SynthTool) -> None:
    """Set something, then read it again."""
    catalog = draft.catalog
    setter = catalog.tools[choice(draft.rng, catalog.setters[getter.tool.name])]
    first = draw_part(draft.d, setter, draft.mix)
    second = draw_part(draft.d, getter, draft.mix)
    needed = getter.tool.parameters.get("required", ())
    second.drawn |= {name: first.drawn[name] for name in needed if name in first.drawn}
    draft.parts = [first, second]
    _word(draft)


def _retry(draft: Draft, made: SynthTool) -> None:
    """A call with a misspelled name fails, and is made with what the tool suggests."""
    if made.function is not None:
        raise Misfit("a tool that really runs is not made to fail")
    part = draw_part(draft.d, made, draft.mix)
    properties = part.properties
    names = [
        name for name, one in part.drawn.items()
        if one.kind in MISSPELLED and isinstance(one.value, str) and one.value == one.said
        and not properties[name].get("pattern") and len(one.value) > 4
    ]  # fmt: skip
    limits = [
        name
        for name, one in part.drawn.items()
        if one.kind == "count" and "limit" in words_of(name)
    ]
    if made.verb in CREATES:
        # What is new cannot be unknown.
        names = [name for name in names if part.drawn[name].kind not in ("person", "project")]
    rng = draft.rng
    if limits and "maximum" not in properties[limits[0]]:
        name, right = limits[0], part.drawn[limits[0]]
        wrong = Drawn(right.value + 100, str(right.value + 100), right.kind)
        error = f"{name} must be at most {right.value}"
    elif names:
        name = choice(rng, names)
        right = part.drawn[name]
        text = misspelled(rng, right.value)
        wrong = Drawn(text, text, right.kind)
        error = choice(rng, (
            "unknown {n} '{w}', did you mean '{r}'?", "no {n} '{w}' found; closest match: '{r}'",
            "{n} '{w}' not found. Did you mean '{r}'?",
        )).format(n=human(name), w=text, r=right.value)  # fmt: skip
    else:
        raise Misfit("no argument of the tool could be misspelled")
    part.drawn = {key: wrong if key == name else one for key, one in part.drawn.items()}
    draft.parts = [part]
    _word(draft)
    draft.faults = [Fault(made.tool.name, name, wrong.value, error)]
    draft.retried = right


def misspelled(rng: random.Random, text: str) -> str:
    """Return a text with a letter of its last word changed, doubled or left out; never the same."""
    start = text.rfind(" ") + 2
    places = [at for at in range(start, len(text)) if text[at].isalpha()]
    if not places:
        raise Misfit("the name is too short to be misspelled")
    at = choice(rng, places)
    letter = choice(rng, [c for c in "aeioustr" if c != text[at].lower()])
    made = text[:at] + choice(rng, (letter, text[at] * 2, "")) + text[at + 1 :]
    return made if made != text else text + text[-1]


_OFFLINE = (
    "{t} is offline",
    "503 service unavailable",
    "access to {t} is denied",
    "{t} is down for maintenance",
)


def _dead_end(draft: Draft, made: SynthTool) -> None:
    """The tool fails for good: the planner gives up."""
    if made.function is not None:
        raise Misfit("a tool that really runs is not made to fail")
    _one(draft, made)
    error = choice(draft.rng, _OFFLINE)
    draft.faults = [Fault(made.tool.name, None, None, error.format(t=made.tool.name))]


def _missing(draft: Draft, made: SynthTool) -> None:
    """The request leaves out a value that the call needs."""
    names = draft.catalog.omittable(made)
    name = choice(draft.rng, names)
    draft.parts = [draw_part(draft.d, made, draft.mix, omitted=name)]
    part = draft.parts[0]
    if part.template is not None and part.template.count(f"{{{name}}}") == 0:
        part.template = None
    _word(draft)


def _unsupported(draft: Draft, made: SynthTool) -> None:
    """No tool offered does what is asked for."""
    draft.parts = [draw_part(draft.d, made, draft.mix)]
    draft.absent = [made]
    _word(draft)


MAKERS: dict[str, Callable[[Draft, SynthTool], None]] = {
    "one": _one, "two_parts": _several, "three_parts": _several, "four_parts": _several,
    "two_chain": _chain, "three_chain": _chain, "settings": _settings, "retry": _retry,
    "dead_end": _dead_end, "missing": _missing, "unsupported": _unsupported,
}  # fmt: skip


def _word(draft: Draft, chained: bool = False) -> None:
    rng, split, alike = draft.rng, draft.split, draft.catalog.alike
    asks = [ask_of(rng, part, split, alike(part.made)) for part in draft.parts]
    texts = [ask.text if isinstance(ask, Clause) else ask for ask in asks]
    if len(set(texts)) < len(texts):
        raise Misfit("the same thing twice")
    if any(missing_slots(text) for text in texts):
        raise Misfit("a slot of the wording has no value")
    draft.ask = requests.instruction(draft.rng, asks, draft.split, chained)
