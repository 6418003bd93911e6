"""What every source returns: the trajectories it could read, and what it dropped and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from umi_lite.data.jsonl import BadRow, Row
from umi_lite.protocol.trajectory import Trajectory


class Dropped(NamedTuple):
    """A row that was left out: `where` is "file:line" or "file:record", counted from 1."""

    where: str
    reason: str


@dataclass
class Loaded:
    trajectories: list[Trajectory]
    dropped: list[Dropped] = field(default_factory=list)

    def drop_table(self) -> list[tuple[str, int, str]]:
        """Reason, how many rows, and where the first one is; the most frequent first."""
        first: dict[str, str] = {}
        for row in self.dropped:
            first.setdefault(row.reason, row.where)
        counts = Counter(row.reason for row in self.dropped)
        return [(reason, count, first[reason]) for reason, count in counts.most_common()]


def outcomes(
    rows: Iterable[Row], parse: Callable[[Row], Trajectory]
) -> Iterator[Trajectory | Dropped]:
    """Each row's trajectory, or what `parse` says of it in a BadRow."""
    for row in rows:
        try:
            yield parse(row)
        except BadRow as err:
            yield Dropped(row.where, str(err))


def collect(made: Iterable[Trajectory | Dropped], n: int | None) -> Loaded:
    """The first `n` trajectories (all: None), and what was dropped before the last of them."""
    loaded = Loaded([])
    for outcome in made:
        if isinstance(outcome, Dropped):
            loaded.dropped.append(outcome)
        else:
            loaded.trajectories.append(outcome)
        if len(loaded.trajectories) == n:
            break
    return loaded
