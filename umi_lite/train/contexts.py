"""What roles read before they speak: transcripts grouped into packs that serve all roles' jobs.

Its keys and values depend on no role's adapter, so they are the same in every epoch and job.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from umi_lite.train.packs import Pack, Row, join_at_prefix


@dataclass(frozen=True)
class Turn:
    """One turn of a row, as the positions `start` to `stop - 1` at which its role computes.

    The first is the cue, the last token before the turn; the last one predicts the turn's last
    token. The tokens before the cue are its context.
    """

    start: int
    stop: int


def turns(row: Row) -> list[Turn]:
    """Return a row's turns: each run of trained tokens, one position earlier."""
    found: list[Turn] = []
    trained = [weight > 0 for weight in row.weights]
    for i in range(1, len(trained)):
        if not trained[i]:
            continue
        if found and found[-1].stop == i - 1 and trained[i - 1]:
            found[-1] = Turn(found[-1].start, i)
        else:
            found.append(Turn(i - 1, i))
    return found


def fixed_cue(rows: Sequence[Row]) -> int | None:
    """Return the token before every turn of the rows, None where it is not always the same."""
    cues = {row.ids[turn.start] for row in rows for turn in turns(row)}
    return cues.pop() if len(cues) == 1 else None


def context_of(row: Row) -> Row:
    """Return the row up to its last turn's last position, with nothing trained.

    At least the system message, which is what the transcripts of a pack share.
    """
    end = max((turn.stop for turn in turns(row)), default=0)
    ids = row.ids[: max(end, row.shared, 1)]
    return Row(row.name, ids, [0.0] * len(ids), row.shared)


def seen_of(row: Row) -> int:
    """Return how many of a row's tokens its last turn attends to; at least the system message."""
    return max(max((turn.start for turn in turns(row)), default=0), row.shared, 1)


@dataclass(frozen=True)
class ContextPack(Pack):
    """Transcripts of one system message, each up to its last turn's last position.

    Attributes:
        seen: tokens of each continuation before its last turn: what turns attend to. The others
            are read by layers below the first adapted one alone (`lower`).
    """

    seen: list[int]

    @property
    def attended(self) -> list[int]:
        """Return the places of the tokens that turns attend to."""
        places, begin = list(range(self.prefix)), self.prefix
        for length, seen in zip(self.lengths, self.seen, strict=True):
            places += range(begin, begin + seen)
            begin += length
        return places


@dataclass(frozen=True)
class TurnPack(Pack):
    """A role's rows of one context; `ids` are those of the whole rows.

    Attributes:
        context: the pack that is read first, without gradients, for all roles.
    """

    context: ContextPack = field(repr=False)

    @property
    def tokens(self) -> int:
        """Tokens that go through the model: the context's and the role's own positions."""
        return len(self.context.attended) + self.trained


class Contexts:
    """The contexts of several jobs' rows.

    A transcript is read up to the last turn of any job in it. Those with the same system message
    and the same jobs are read in one pass. The groups stay the same in every epoch and job, so
    that a context's keys are bit for bit the same whenever they are computed.

    Args:
        rows: of each job; held-out rows as if of a further job.
        length: tokens of a group; a longer transcript is its own group.
        seed: of the groups and their order.
        shared: False makes a group of every transcript.
    """

    def __init__(
        self, rows: Sequence[Sequence[Row]], *, length: int, seed: int, shared: bool = True
    ):
        self._seed = seed
        self._seen: dict[int, int] = {}
        self._known: dict[str, list[Row]] = {}
        for row in sorted((context_of(r) for one in rows for r in one), key=lambda r: -len(r.ids)):
            known = self._known.setdefault(row.name, [])
            if not any(_begins(whole, row) for whole in known):
                known.append(row)
        users: dict[int, set[int]] = {}
        for number, one in enumerate(rows):
            for row in one:
                whole = id(self.transcript(row))
                users.setdefault(whole, set()).add(number)
                self._seen[whole] = max(self._seen.get(whole, 0), seen_of(row))
        every = [row for known in self._known.values() for row in known]
        groups = _groups(every, self._seen, users, length, seed, shared)
        self.packs = [self._join(group) for group in groups]
        self._pack = {id(row): pack for pack in self.packs for row in pack.rows}
        self._parts: dict[tuple[int, ...], ContextPack] = {}
        prefixes = Counter(_prefix(pack) for pack in self.packs)
        self._prefixes = {
            ids: ContextPack(list(ids), 0, [len(ids)], [], [], [len(ids)])
            for ids, count in prefixes.items()
            if ids and count > 1
        }

    def beginning(self, context: Pack) -> ContextPack | None:
        """Return the system message of a context as a pack of its own, if several groups have it.

        It is read first then, once for all of them.
        """
        return self._prefixes.get(_prefix(context))

    def transcript(self, row: Row) -> Row:
        """Return the transcript that holds the row's context."""
        own = context_of(row)
        return next((t for t in self._known.get(row.name, ()) if _begins(t, own)), own)

    def items(self, rows: Sequence[Row], epoch: int) -> list[TurnPack]:
        """Return a job's packs in an epoch, one per group; the order is the same for all jobs.

        So contexts that one job has kept are those that the next one needs first.
        """
        by_transcript: dict[int, list[Row]] = {}
        for row in rows:
            by_transcript.setdefault(id(self.transcript(row)), []).append(row)
        order = list(self.packs)
        random.Random(1000 * self._seed + epoch).shuffle(order)
        found = []
        for pack in order:
            mine = [row for t in pack.rows for row in by_transcript.get(id(t), ())]
            if mine:
                joined = join_at_prefix(mine)
                found.append(
                    TurnPack(joined.ids, joined.prefix, joined.lengths, joined.targets, mine, pack)
                )
        return found

    def of(self, rows: Sequence[Row]) -> list[tuple[ContextPack, list[Row]]]:
        """Return the contexts of a micro-batch, each with the rows that it serves, in order.

        A group is read whole where all its transcripts have a row here.
        """
        found: list[tuple[ContextPack | None, list[Row]]] = []
        for row in rows:
            pack = self._pack.get(id(self.transcript(row)))
            if found and pack is not None and found[-1][0] is pack:
                found[-1][1].append(row)
            else:
                found.append((pack, [row]))
        return [(self._whole_or_part(pack, mine), mine) for pack, mine in found]

    def _whole_or_part(self, pack: ContextPack | None, rows: Sequence[Row]) -> ContextPack:
        if pack is None:
            (row,) = rows
            context = context_of(row)
            return _join([context], [seen_of(row)])
        once = {id(t): t for t in (self.transcript(row) for row in rows)}
        if len(once) == len(pack.rows):
            return pack
        return self._parts.setdefault(tuple(once), self._join(list(once.values())))

    def _join(self, transcripts: Sequence[Row]) -> ContextPack:
        return _join(transcripts, [self._seen[id(t)] for t in transcripts])


def _join(transcripts: Sequence[Row], seen: Sequence[int]) -> ContextPack:
    made = join_at_prefix(transcripts)
    counts = [count - made.prefix for count in seen]
    return ContextPack(made.ids, made.prefix, made.lengths, [], made.rows, counts)


def _prefix(pack: Pack) -> tuple[int, ...]:
    return tuple(pack.ids[: pack.prefix])


def _begins(whole: Row, row: Row) -> bool:
    return whole.shared == row.shared and whole.ids[: len(row.ids)] == row.ids


def _groups(
    rows: Sequence[Row],
    seen: dict[int, int],
    users: dict[int, set[int]],
    length: int,
    seed: int,
    shared: bool,
) -> list[list[Row]]:
    order = list(rows)
    random.Random(seed).shuffle(order)
    groups: list[list[Row]] = []
    growing: dict[Any, tuple[list[Row], int]] = {}
    for row in order:
        key = (tuple(row.ids[: row.shared]), frozenset(users[id(row)]))
        size = seen[id(row)] - row.shared
        group, used = growing.get(key, ([], length))
        if not shared or used + size > length:
            group, used = [], row.shared
            groups.append(group)
        group.append(row)
        growing[key] = (group, used + size)
    return groups


class AllRead(Exception):
    """Ends a forward pass: all that it was run for is kept."""


class Keys:
    """Keys and values of a sequence of T tokens by layer: each (1, kv heads, T, width).

    Args:
        last: number of the last layer whose keys are kept; None is all that are computed.

    Attributes:
        entry: hidden states (1, S, hidden) with which the first adapted layer begins, where there
            are layers below it; S counts tokens that no turn attends to as well.
    """

    def __init__(self, last: int | None = None, entry: Any = None) -> None:
        self.layers: dict[int, tuple[Any, Any]] = {}
        self.entry = entry
        self._last = last

    def keep(self, layer: int, key: Any, value: Any) -> None:
        """Keep a layer's, after the rotary embedding.

        Raises:
            AllRead: it was the last one.
        """
        self.layers[layer] = (key.detach(), value.detach())
        if layer == self._last:
            raise AllRead

    @property
    def bytes(self) -> int:
        tensors = [tensor for pair in self.layers.values() for tensor in pair]
        tensors += [] if self.entry is None else [self.entry]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class ContextStore:
    """Keys and values of contexts, kept up to a number of bytes.

    The first ones stay: all jobs go through the contexts in the same order.
    """

    def __init__(self, budget: int):
        self.left = budget
        self._kept: dict[int, tuple[Pack, Keys]] = {}

    def find(self, context: Pack) -> Keys | None:
        """Return what was kept of a context."""
        kept = self._kept.get(id(context))
        return kept and kept[1]

    def offer(self, context: Pack, keys: Keys) -> None:
        """Keep it where there is room."""
        if keys.bytes <= self.left:
            self.left -= keys.bytes
            self._kept[id(context)] = (context, keys)

    def close(self) -> bool:
        """Drop everything and keep nothing from now on; True if anything was kept."""
        kept, self._kept, self.left = self._kept, {}, 0
        return bool(kept)
