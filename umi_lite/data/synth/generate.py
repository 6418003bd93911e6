"""Generates tasks for a set of tools: draws them, plays the gold calls, verifies each one."""

import datetime
import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.source import GIVE_UP
from umi_lite.data.synth import requests
from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.generic import Clause, generic
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.names import human, words_of
from umi_lite.data.synth.parts import Part, answer_of, ask_of, draw_part, missing_slots
from umi_lite.data.synth.plans import (
    KINDS_OF_TASKS, Catalog, Link, Misfit, Mix, catalog_of, thing_of, turns,
)  # fmt: skip
from umi_lite.data.synth.pools import SPLITS, Split, choice
from umi_lite.data.synth.simulate import Fault, Simulator, World
from umi_lite.data.synth.texts import Drawing
from umi_lite.data.synth.values import CannotDraw, Drawn
from umi_lite.data.synth.wording import SynthTool
from umi_lite.errors import UserError
from umi_lite.protocol.roles import dump_json
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory

Task = Trajectory
"""A task with its gold steps; `simulate.environment` gives its tools, `check.judge` judges."""

_TRIES = 40
_PARTS = {"two_parts": 2, "three_parts": 3, "four_parts": 4}
_CHAINS = {"two_chain": 2, "three_chain": 3}
# A thought is at most 400 letters long; longer texts are left to the caller, who sees them.
_LONGEST_THOUGHT, _LONGEST_VALUE = 300, 48
# Kinds of texts that a tool can know or not know, so that a misspelled one is refused.
_TYPED = frozenset(
    "city person product company artist book movie song hotel restaurant project team dish "
    "medicine country plant device exercise".split()
)


@dataclass
class _Draft:
    """A task in the making."""

    kind: str
    split: Split
    rng: random.Random
    d: Drawing
    mix: Mix
    catalog: Catalog
    parts: list[Part] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    absent: list[SynthTool] = field(default_factory=list)
    ask: str = ""
    retried: Drawn | None = None


def generate(
    tools: Sequence[SynthTool],
    *,
    seed: int,
    count: int,
    split: str = "train",
    mix: Mix | None = None,
    source: str = "synth",
    on_drop: Callable[[Dropped], None] = lambda dropped: None,
) -> Iterator[Task]:
    """Yield at most `count` verified tasks, the same ones for the same arguments.

    Args:
        split: `train`, `dev` or `test`: they share no open value and no frame of an instruction.
        mix: shares of the kinds of tasks.
        source: the trajectories' `source`, by which live evaluation finds tools and judge.
        on_drop: called with what could not be made: a tool, a kind of task, or one draw.

    Raises:
        UserError: an unknown split.
    """
    if split not in SPLITS:
        raise UserError(f"{source} has no split {split!r}; there are {', '.join(SPLITS)}")
    mix = mix or Mix()
    catalog = catalog_of(tools, seed, split)
    for dropped in catalog.dropped:
        on_drop(dropped)
    possible: dict[str, int] = {}
    for kind, share in mix.shares().items():
        why = catalog.possible(kind)
        if why and share:
            on_drop(Dropped(f"tasks {kind}", why))
        elif share:
            possible[kind] = share
    if not possible:
        return
    next_of = {kind: _turn(catalog, kind, seed) for kind in KINDS_OF_TASKS}
    functions = {name: one.function for name, one in catalog.tools.items() if one.function}
    seen: set[str] = set()
    for number, kind in enumerate(schedule(possible, count, seed)):
        for attempt in range(_TRIES):
            tried = kind if attempt < _TRIES // 2 or "one" not in possible else "one"
            world_seed = zlib.crc32(f"{source} {split} {seed} {kind} {number} {attempt}".encode())
            name = f"{source}-{split}-{seed}-{number}"
            try:
                made = _write(catalog, tried, split, mix, world_seed, name, source, next_of[tried](), functions)
                if made.instruction in seen:
                    raise Misfit("the same instruction again")
            except (Misfit, CannotDraw) as err:
                on_drop(Dropped(f"{name}, draw {attempt + 1}", str(err)))
                continue
            seen.add(made.instruction)
            yield made
            break


def load(
    tools: Sequence[SynthTool], *, seed: int, count: int, split: str = "train", mix: Mix | None = None,
    source: str = "synth",
) -> Loaded:  # fmt: skip
    """Return what `generate` yields, with what could not be made."""
    dropped: list[Dropped] = []
    made = list(
        generate(tools, seed=seed, count=count, split=split, mix=mix, source=source, on_drop=dropped.append)
    )
    return Loaded(made, dropped)


def schedule(shares: Mapping[str, int], count: int, seed: int) -> list[str]:
    """Return the kinds of tasks in proportion, shuffled; a small count keeps the frequent kinds."""
    whole = sum(shares.values())
    counts = {kind: count * share // whole for kind, share in shares.items()}
    rest = sorted(shares, key=lambda kind: -((count * shares[kind]) % whole))
    for kind in itertools.islice(rest, count - sum(counts.values())):
        counts[kind] += 1
    kinds = [kind for kind, n in counts.items() for _ in range(n)]
    random.Random(f"schedule {seed}").shuffle(kinds)
    return kinds


def _turn(catalog: Catalog, kind: str, seed: int) -> Callable[[], str]:
    """Return what gives the tool that each task of a kind is about, in turn."""
    names = list(catalog.tools)
    if kind == "two_chain":
        names = list(catalog.links)
    elif kind == "three_chain":
        names = [name for name in catalog.links if catalog.long_chain(name)]
    elif kind == "settings":
        names = [getter for _, getter in catalog.pairs]
    elif kind == "missing":
        names = [name for name, one in catalog.tools.items() if catalog.omittable(one)]
    return turns(random.Random(f"turns {kind} {seed}"), names) if names else lambda: ""


def _write(
    catalog: Catalog, kind: str, split: Split, mix: Mix, seed: int, name: str, source: str,
    first: str, functions: Mapping[str, Any],
) -> Task:  # fmt: skip
    """Return one verified task.

    Raises:
        Misfit, CannotDraw: this seed gives no good task.
    """
    rng = random.Random(seed)
    today = datetime.date(2025, 1, 1) + datetime.timedelta(days=rng.randrange(900))
    draft = _Draft(kind, split, rng, Drawing(rng, split, today), mix, catalog)
    _MAKERS[kind](draft, catalog.tools[first])
    needed = {part.made.tool.name: part.made for part in draft.parts}
    if kind == "unsupported":
        needed = {}
    offered = catalog.company(rng, list(needed.values()), mix, draft.absent)
    if not offered:
        raise Misfit("no other tools can be offered")
    ask = requests.tidy(requests.opened(rng, draft.ask, split))
    if draft.d.relative:
        ask = requests.with_today(rng, ask, today, split)
    world = World(
        seed, split, today.isoformat(),
        {one.tool.name: catalog.returns.get(one.tool.name) or {"status": "done"} for one in offered},
        [pair for pair in catalog.pairs if set(pair) <= {one.tool.name for one in offered}],
        sorted(one.tool.name for one in offered if one.verb != "query"), draft.faults,
    )  # fmt: skip
    box = Simulator([one.tool for one in offered], world, functions)
    before = box.state()
    steps, gold = _play(draft, box)
    said = [[part.made.tool.name, *one] for part in draft.parts for one in part.said()]
    meta = {
        "family": kind, "split": split, "kind": kind, "domain": catalog.tools[first].domain,
        "calls": sum(isinstance(step, Call) for step in steps), "state": box.state(),
        "changes": before != box.state(), "said": said, "world": world.as_json(),
    }  # fmt: skip
    task = Trajectory(
        id=name, source=source, tools=tuple(one.tool for one in offered), instruction=ask,
        steps=tuple(steps), gold=gold, meta=meta,
    )  # fmt: skip
    if (wrong := fault_of(task, functions)) != "":
        raise Misfit(wrong)
    return task


def _one(draft: _Draft, made: SynthTool) -> None:
    draft.parts = [draw_part(draft.d, made, draft.mix)]
    _word(draft)


def _several(draft: _Draft, made: SynthTool) -> None:
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


def _chain(draft: _Draft, made: SynthTool) -> None:
    """Calls of which each needs the result of the one before."""
    catalog, rng = draft.catalog, draft.rng
    links: list[Link | None] = [None]
    tools = [made]
    for _ in range(_CHAINS[draft.kind] - 1):
        known = [
            link for link in catalog.links.get(tools[0].tool.name, ())
            if all(not catalog.clash(catalog.tools[link.producer], one) for one in tools)
        ]  # fmt: skip
        if not known:
            raise Misfit("no chain is that long")
        link = choice(rng, known)
        links[0] = link
        tools.insert(0, catalog.tools[link.producer])
        links.insert(0, None)
    draft.parts = [
        draw_part(draft.d, one, draft.mix, [link] if link else ()) for one, link in zip(tools, links, strict=True)
    ]
    _word(draft, chained=True)


def _settings(draft: _Draft, getter: SynthTool) -> None:
    """Set something, then read it again."""
    catalog = draft.catalog
    setters = [setter for setter, other in catalog.pairs if other == getter.tool.name]
    setter = catalog.tools[choice(draft.rng, setters)]
    first = draw_part(draft.d, setter, draft.mix)
    second = draw_part(draft.d, getter, draft.mix)
    needed = getter.tool.parameters.get("required", ())
    second.drawn |= {name: first.drawn[name] for name in needed if name in first.drawn}
    draft.parts = [first, second]
    _word(draft)


def _retry(draft: _Draft, made: SynthTool) -> None:
    """A call with a misspelled name fails, and is made with what the tool suggests."""
    if made.function is not None:
        raise Misfit("a tool that really runs is not made to fail")
    part = draw_part(draft.d, made, draft.mix)
    properties = part.properties
    names = [
        name for name, one in part.drawn.items()
        if one.kind in _TYPED and isinstance(one.value, str) and one.value == one.said
        and not properties[name].get("pattern") and len(one.value) > 4
    ]  # fmt: skip
    limits = [name for name, one in part.drawn.items() if one.kind == "count" and "limit" in words_of(name)]
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


def _dead_end(draft: _Draft, made: SynthTool) -> None:
    """The tool fails for good: the planner gives up."""
    if made.function is not None:
        raise Misfit("a tool that really runs is not made to fail")
    _one(draft, made)
    error = choice(draft.rng, ("{t} is offline", "503 service unavailable", "access to {t} is denied",
                               "{t} is down for maintenance"))  # fmt: skip
    draft.faults = [Fault(made.tool.name, None, None, error.format(t=made.tool.name))]


def _missing(draft: _Draft, made: SynthTool) -> None:
    """The request leaves out a value that the call needs."""
    names = draft.catalog.omittable(made)
    name = choice(draft.rng, names)
    draft.parts = [draw_part(draft.d, made, draft.mix, omitted=name)]
    part = draft.parts[0]
    if part.template is not None and part.template.count(f"{{{name}}}") == 0:
        part.template = None
    _word(draft)


def _unsupported(draft: _Draft, made: SynthTool) -> None:
    """No tool offered does what is asked for."""
    draft.parts = [draw_part(draft.d, made, draft.mix)]
    draft.absent = [made]
    _word(draft)


_MAKERS: dict[str, Callable[[_Draft, SynthTool], None]] = {
    "one": _one, "two_parts": _several, "three_parts": _several, "four_parts": _several,
    "two_chain": _chain, "three_chain": _chain, "settings": _settings, "retry": _retry,
    "dead_end": _dead_end, "missing": _missing, "unsupported": _unsupported,
}  # fmt: skip


def _word(draft: _Draft, chained: bool = False) -> None:
    asks = [ask_of(draft.rng, part) for part in draft.parts]
    texts = [ask.text if isinstance(ask, Clause) else ask for ask in asks]
    if len(set(texts)) < len(texts):
        raise Misfit("the same thing twice")
    if any(missing_slots(text) for text in texts):
        raise Misfit("a slot of the wording has no value")
    draft.ask = requests.instruction(draft.rng, asks, draft.split, chained)


def _play(draft: _Draft, box: Simulator) -> tuple[list[Step], str]:
    """Return the steps and the gold answer."""
    steps: list[Step] = []
    made = draft.parts[0].made
    if draft.kind == "unsupported":
        wording = generic(made.tool.name, made.tool.description)
        can = made.wording is None and not wording.query
        thought = f"No tool can {wording.imperative}." if can else f"No tool gives {thing_of(made)}."
        return [Plan(thought=thought, next="give_up")], GIVE_UP
    if draft.kind == "missing":
        part = draft.parts[0]
        thought = f"No tool can be used, {made.tool.name} needs {part.omitted}."
        return [Plan(thought=thought, next="give_up")], GIVE_UP
    results: list[Mapping[str, Any]] = []
    answers: list[tuple[str, list[str]]] = []
    for at, part in enumerate(draft.parts):
        arguments = {name: one.value for name, one in part.drawn.items()}
        for name, link in part.links.items():
            arguments[name] = results[-1][link.field]
        arguments = {name: arguments[name] for name in [*part.properties, *arguments] if name in arguments}
        then = draft.parts[at + 1].made.tool.name if at + 1 < len(draft.parts) else "answer"
        seen = _call(steps, box, part, arguments, then, "")
        if draft.kind == "retry" and draft.retried is not None:
            name = str(draft.faults[0].argument)
            arguments[name] = draft.retried.value
            seen = _call(steps, box, part, arguments, then, f"Retry: wrong {human(name)}, ")
        if draft.kind == "dead_end":
            steps.append(Plan(thought=f"No tool helps, {seen.content}.", next="give_up"))
            return steps, GIVE_UP
        if seen.error:
            raise Misfit(f"a call failed: {seen.content[:80]}")
        result, returns = _result(draft, part, box, seen)
        results.append(result)
        text, golds = answer_of(draft.rng, part, arguments, result, returns)
        if len([one for one in draft.parts if one.made is part.made]) > 1 and not part.links:
            about = _about(arguments, golds)
            text = requests.capital(about) + (requests.lowered(text) if about else text)
        answers.append((text, golds))
    if draft.kind in _CHAINS or draft.kind == "settings":
        answers = answers[-1:]
    steps.append(Plan(thought="Done.", next="summarizer"))
    steps.append(Answer(text=requests.tidy(" ".join(text for text, _ in answers))))
    return steps, " | ".join(gold for _, golds in answers for gold in golds)


def _about(arguments: Mapping[str, Any], golds: Sequence[str]) -> str:
    """Return what an answer's sentence is about, where a tool is used for several things."""
    texts = [
        value for value in arguments.values()
        if isinstance(value, str) and 2 < len(value) <= 30 and value not in golds and not value[:4].isdigit()
    ]  # fmt: skip
    return f"{texts[0]}: " if texts else ""


def _result(
    draft: _Draft, part: Part, box: Simulator, seen: Observation
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return a result's fields and their kinds."""
    name = part.made.tool.name
    if part.made.function is None:
        return box.last, draft.catalog.returns[name]
    if len(seen.content) > 120 or "\n" in seen.content:
        raise Misfit("a real result is too long to be judged")
    return {"result": seen.content}, {"result": "text"}


def _call(
    steps: list[Step], box: Simulator, part: Part, arguments: Mapping[str, Any], then: str, why: str
) -> Observation:
    name = part.made.tool.name
    call = Call(tool=name, arguments=dict(arguments))
    if call in steps:
        raise Misfit("the same call twice, which an agent's bounds take for being stuck")
    seen = box.call(call)
    steps += [Plan(thought=f"{why}{intent(name, arguments)}, then {then}.", next="caller"), call, seen]
    return seen


def intent(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return what a thought says of the next call: the tool, and the short ones of its values."""
    shown = {name: _short(value) for name, value in arguments.items()}
    if not shown:
        return f"use {tool}"
    if len(shown) == 1:
        ((name, text),) = shown.items()
        return f"use {tool} for {text or name}"
    said = ", ".join(f"{name}={text}" if text else name for name, text in shown.items())
    if len(said) > _LONGEST_THOUGHT:
        said = ", ".join(shown)[:_LONGEST_THOUGHT]
    return f"use {tool}: {said}"


def _short(value: Any) -> str:
    """Return a value as a thought says it, "" for a long one."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
        return ""
    if isinstance(value, list):
        text = " and ".join(map(_short, value))
    else:
        text = value if isinstance(value, str) else dump_json(value)
    return text if len(text) <= _LONGEST_VALUE else ""
