"""Generates tasks for a set of tools: draws them, plays the gold calls, verifies each one."""

import datetime
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.synth import requests
from umi_lite.data.synth.catalog import Catalog, catalog_of
from umi_lite.data.synth.check import fault_of
from umi_lite.data.synth.composed import ComposedDrawing
from umi_lite.data.synth.computed import draft_computed
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.kinds import DONE
from umi_lite.data.synth.parts import Misfit
from umi_lite.data.synth.plans import KINDS_OF_TASKS, Company, Mix, schedule, turns
from umi_lite.data.synth.play import play
from umi_lite.data.synth.pools import SPLITS, Split
from umi_lite.data.synth.simulate import Simulator, World
from umi_lite.data.synth.tasks import MAKERS, Draft
from umi_lite.data.synth.values import CannotDraw
from umi_lite.data.synth.wording import SynthTool
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Trajectory

Task = Trajectory
"""A task with its gold steps; `simulate.environment` gives its tools, `check.judge` judges."""

_TRIES = 40
_UNSUPPORTED = "unsupported"
_MAKERS = {**MAKERS, "computed": draft_computed}


def generate(
    tools: Sequence[SynthTool],
    *,
    seed: int,
    count: int,
    split: str = "train",
    mix: Mix | None = None,
    company: Company | None = None,
    source: str = "synth",
    on_drop: Callable[[Dropped], None] = lambda dropped: None,
) -> Iterator[Task]:
    """Yield at most `count` verified tasks, the same ones for the same arguments.

    Args:
        split: `train`, `dev` or `test`: they share no open value and no frame of an instruction.
        mix: shares of the kinds of tasks.
        company: the tools on offer, and their values are composed; default drawn for each task,
            with tools that do not fit.
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
    # What is asked for where no tool fits.
    others = catalog_of(company.foreign, seed, split) if company else catalog
    possible: dict[str, int] = {}
    for kind, share in mix.shares().items():
        why = (others if kind == _UNSUPPORTED else catalog).possible(kind)
        if why and share:
            on_drop(Dropped(f"tasks {kind}", why))
        elif share:
            possible[kind] = share
    if not possible or not catalog.tools:
        return
    about = {kind: others if kind == _UNSUPPORTED else catalog for kind in KINDS_OF_TASKS}
    next_of = {kind: _turn(about[kind], kind, seed) for kind in KINDS_OF_TASKS}
    functions = {name: one.function for name, one in catalog.tools.items() if one.function}
    seen: set[str] = set()
    for number, kind in enumerate(schedule(possible, count, seed)):
        for attempt in range(_TRIES):
            tried = kind if attempt < _TRIES // 2 or "one" not in possible else "one"
            world_seed = zlib.crc32(f"{source} {split} {seed} {kind} {number} {attempt}".encode())
            name = f"{source}-{split}-{seed}-{number}"
            try:
                drawing = _drawing(world_seed, split, ComposedDrawing if company else Drawing)
                draft = _draft(about[tried], tried, drawing, mix, next_of[tried]())
                offered = _offered(draft, company)
                made = _write(draft, catalog, offered, world_seed, name, source, functions)
                if made.instruction in seen:
                    raise Misfit("the same instruction again")
            except (Misfit, CannotDraw) as err:
                on_drop(Dropped(f"{name}, draw {attempt + 1}", str(err)))
                continue
            seen.add(made.instruction)
            yield made
            break


def load(
    tools: Sequence[SynthTool],
    *,
    seed: int,
    count: int,
    split: str = "train",
    mix: Mix | None = None,
    company: Company | None = None,
    source: str = "synth",
) -> Loaded:
    """Return what `generate` yields, with what could not be made."""
    dropped: list[Dropped] = []
    made = list(
        generate(
            tools,
            seed=seed,
            count=count,
            split=split,
            mix=mix,
            company=company,
            source=source,
            on_drop=dropped.append,
        )
    )
    return Loaded(made, dropped)


def _turn(catalog: Catalog, kind: str, seed: int) -> Callable[[], str]:
    """Return what gives the tool that each task of a kind is about, in turn."""
    names = list(catalog.tools)
    if kind == "two_chain":
        names = list(catalog.links)
    elif kind == "three_chain":
        names = [name for name in catalog.links if catalog.long_chain(name)]
    elif kind == "settings":
        names = list(catalog.setters)
    elif kind == "retry":
        names = [name for name, one in catalog.tools.items() if catalog.misspellable(one)]
    elif kind == "computed":
        names = [name for name, one in catalog.tools.items() if catalog.computable(one)]
    elif kind == "missing":
        names = [name for name, one in catalog.tools.items() if catalog.omittable(one)]
    return turns(random.Random(f"turns {kind} {seed}"), names) if names else lambda: ""


def _drawing(seed: int, split: Split, values: type[Drawing]) -> Drawing:
    rng = random.Random(seed)
    today = datetime.date(2025, 1, 1) + datetime.timedelta(days=rng.randrange(900))
    return values(rng, split, today)


def _draft(catalog: Catalog, kind: str, drawing: Drawing, mix: Mix, first: str) -> Draft:
    """Return what a task about a tool asks for.

    Raises:
        Misfit, CannotDraw: this seed gives no good task.
    """
    about = catalog.tools[first]
    draft = Draft(kind, drawing.split, drawing.rng, drawing, mix, catalog, about)
    _MAKERS[kind](draft, about)
    return draft


def _offered(draft: Draft, company: Company | None) -> Sequence[SynthTool]:
    if company is None:
        return _company(draft)
    return [*company.always, *draft.general]


def _company(draft: Draft) -> Sequence[SynthTool]:
    needed = {part.made.tool.name: part.made for part in draft.parts}
    if draft.kind == _UNSUPPORTED:
        needed = {}
    needed |= {made.tool.name: made for made in draft.general}
    return draft.catalog.company(draft.rng, list(needed.values()), draft.mix, draft.absent)


def _write(
    draft: Draft, catalog: Catalog, offered: Sequence[SynthTool], seed: int, name: str,
    source: str, functions: Mapping[str, Any],
) -> Task:  # fmt: skip
    """Return one verified task.

    Args:
        catalog: of the tools on offer.

    Raises:
        Misfit, CannotDraw: this seed gives no good task.
    """
    if not offered:
        raise Misfit("no other tools can be offered")
    rng, kind, split = draft.rng, draft.kind, draft.split
    today = draft.d.today
    ask = requests.tidy(requests.opened(rng, draft.ask, split))
    if draft.d.relative:
        ask = requests.with_today(rng, ask, today, split)
    names = {one.tool.name for one in offered}
    world = World(
        seed=seed,
        split=split,
        today=today.isoformat(),
        returns={name: catalog.returns.get(name) or {"status": DONE} for name in sorted(names)},
        pairs=[
            (setter, getter)
            for getter in sorted(names)
            for setter in catalog.setters.get(getter, ())
            if setter in names
        ],
        actions=sorted(one.tool.name for one in offered if one.verb != "query"),
        faults=draft.faults,
        free=sorted(name for name in names & catalog.tools.keys() if not catalog.worded(name)),
        general=sorted(one.tool.name for one in draft.general),
    )
    box = Simulator([one.tool for one in offered], world, functions)
    before = box.state()
    steps, gold = play(draft, box)
    said = [[part.made.tool.name, *one] for part in draft.parts for one in part.said()]
    meta = {
        "family": kind, "split": split, "kind": kind, "domain": draft.about.domain,
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
