"""What every source returns: the trajectories it could read, and what it dropped and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from umi_lite.data.jsonl import BadRow, Row
from umi_lite.protocol.trajectory import Trajectory


class Dropped(NamedTuple):
    """A row that was left out: `where` is "file:line" or "file:record", counted from 1.

    Of a turn that was amended, `where` is "trajectory's id, step 3".
    """

    where: str
    reason: str


@dataclass
class Loaded:
    """What was read.

    Attributes:
        dropped: rows that were left out.
        amended: turns of the trajectories that are not trained as their source has them.
    """

    trajectories: list[Trajectory]
    dropped: list[Dropped] = field(default_factory=list)
    amended: list[Dropped] = field(default_factory=list)

    def drop_table(self) -> list[tuple[str, int, str]]:
        """Reason, how many rows, and where the first one is; the most frequent first."""
        return _counted(self.dropped)

    def amended_table(self) -> list[tuple[str, int, str]]:
        """What became of turns, how many, and where the first one is."""
        return _counted(self.amended)


def _counted(dropped: Iterable[Dropped]) -> list[tuple[str, int, str]]:
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for row in dropped:
        first.setdefault(row.reason, row.where)
        counts[row.reason] += 1
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
