"""The peak memory of all jobs, and what contexts may take of it (`train.activated`)."""

from collections.abc import Sequence
from dataclasses import replace

from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.memory import (
    Estimate,
    MicroBatch,
    estimate,
    micro_batches,
    passing,
)
from umi_lite.train.budget.shape import Shape
from umi_lite.train.contexts import ContextPack, seen_of, turns
from umi_lite.train.dataset import Ready
from umi_lite.train.device import Setting
from umi_lite.train.packs import Row, rows_of


def peak(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready], free: float
) -> Estimate:
    """Return the largest estimate of all jobs' micro-batches; jobs run one after another.

    Args:
        free: bytes; of what an own position's pass leaves free, contexts are kept in a part.
    """
    always = [r for r in ready if r.contexts is None]
    batches = {batch for r in always for batch in micro_batches(r, recipe, setting)}
    made = [estimate(shape, recipe, setting, batch) for batch in batches]
    own = _own_peak(shape, recipe, setting, ready)
    if own:
        room = context_room(shape, recipe, setting, ready, free)
        sizes = [size for _, _, size in _distinct(shape, recipe, setting, ready)]
        kept = min(sum(sizes), max(sizes) + room)
        made.append(Estimate(own.parts | {"contexts": kept}))
    return max(made, key=lambda one: one.total)


def context_room(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready], free: float
) -> int:
    """Return the bytes for kept contexts: what whole rows would take beyond own positions.

    So jobs whose adapters act on own turns stay within the memory of continued ones, and within
    what is free.
    """
    own = _own_peak(shape, recipe, setting, ready)
    if own is None:
        return 0
    sharing = [r for r in ready if r.contexts]
    batches = {batch for r in sharing for batch in micro_batches(r, recipe, setting)}
    whole = max(estimate(shape, recipe, setting, batch).total for batch in batches)
    return max(0, int(min(whole, free)) - own.total)


def count_reads(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready], room: int
) -> list[Ready]:
    """Return the jobs with what each item reads, where contexts are kept in `room` bytes.

    A kept context is read once, by the first job that needs it.
    """
    kept: dict[int, ContextPack] = {}
    made = []
    for r in ready:
        counts = []
        for item in r.items if r.contexts else ():
            count = 0
            for pack, tokens, size in _parts(shape, recipe, setting, r, rows_of(item)):
                if id(pack) in kept:
                    continue
                count += tokens
                if size <= room:
                    room -= size
                    kept[id(pack)] = pack
            counts.append(count)
        made.append(replace(r, read=tuple(counts)) if r.contexts else r)
    return made


_Part = tuple[ContextPack, int, int]
"""What is read in one pass: the pack, its tokens, and the bytes where it is kept."""


def _parts(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Ready, rows: Sequence[Row]
) -> list[_Part]:
    """Return what is read for rows: contexts, and system messages of several contexts first.

    Kept are keys and values and, where there are layers below the first adapted one, the hidden
    states there in place of theirs; a system message has both.
    """
    assert ready.contexts is not None
    recipe = recipe.of_own_turns()
    upper = shape.adapted_layers(recipe.lora)
    plain = setting.backend == "plain"
    token = 2 * shape.keys * setting.width
    state = shape.hidden * setting.width if plain and upper < shape.layers else 0
    found: list[_Part] = []
    groups = (rows,) if plain else tuple([row] for row in rows)
    for pack, _ in (one for group in groups for one in ready.contexts.of(group)):
        first = ready.contexts.beginning(pack) if plain else None
        before = len(first.ids) if first else 0
        if first:
            found.append((first, before, before * (shape.layers * token + state)))
        seen, every = len(pack.attended) - before, len(pack.ids) - before
        layers = upper if plain else shape.layers
        found.append((pack, seen, seen * layers * token + every * state))
    return found


def _own_peak(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready]
) -> Estimate | None:
    """Return the peak of the own positions' passes and of reading one context."""
    pairs = [pair for r in ready if r.contexts for pair in _passes(shape, recipe, setting, r)]
    if not pairs:
        return None
    made, recipe = [], recipe.of_own_turns()
    for own, read in set(pairs):
        found = estimate(shape, recipe, setting, own)
        reading = passing(shape, recipe, setting, read)
        made.append(Estimate(found.parts | {"reading a context": reading, "contexts": 0}))
    most = max(made, key=lambda one: one.total)
    largest = max(size for _, _, size in _distinct(shape, recipe, setting, ready))
    return replace(most, parts=most.parts | {"contexts": largest})


def _passes(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Ready
) -> list[tuple[MicroBatch, int]]:
    """Return each micro-batch's own positions, and the tokens of the longest pass before it."""
    items, size = ready.items, ready.at_once
    found = []
    for begin in range(0, len(items), size):
        rows = [row for item in items[begin : begin + size] for row in rows_of(item)]
        parts = _parts(shape, recipe, setting, ready, rows)
        found.append((_own(rows), max(tokens for _, tokens, _ in parts)))
    return found


def _own(rows: Sequence[Row]) -> MicroBatch:
    """Return the numbers of the second pass: rows' keys are joined to those of their contexts."""
    own = seen = masked = 0
    for row in rows:
        count = sum(turn.stop - turn.start for turn in turns(row))
        own, seen = own + count, seen + seen_of(row) + count
        masked += count * (seen_of(row) + count)
    return MicroBatch(own, own, seen, masked)


def _distinct(
    shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready]
) -> list[_Part]:
    """Return all that jobs and their evaluations read, once each."""
    found: dict[int, _Part] = {}
    for r in ready:
        if r.contexts:
            batches = [*(rows_of(item) for item in r.items), *r.held_out]
            for rows in batches:
                parts = _parts(shape, recipe, setting, r, rows)
                found |= {id(part[0]): part for part in parts}
    return list(found.values())
