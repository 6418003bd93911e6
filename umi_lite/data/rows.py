"""A source's rows, where they are (a file or a hub data set), and what was dropped of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from umi_lite.protocol.trajectory import Trajectory


@dataclass(frozen=True)
class HubData:
    """One split of a data set: `openai/gsm8k`, configuration `main`, split `train`.

    A folder of data files works as a name too: `datasets` opens both.
    """

    name: str
    config: str | None = None
    split: str = "train"

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}[{self.split}]"


Place = Path | str | HubData


def stem(place: Place) -> str:
    """Return a short name for ids: the file's without its ending, or the data set's and split's."""
    if isinstance(place, HubData):
        return f"{Path(place.name).name}-{place.split}"
    return _plain_name(Path(place)).stem


def split_name(place: Place) -> str:
    """Return the split of its data set that a place is: for a file its name (`train.jsonl`)."""
    return place.split if isinstance(place, HubData) else _plain_name(Path(place)).stem


def suffix(path: Path) -> str:
    """Return what a file's name ends with, `.gz` not counted: `.jsonl` of `train.jsonl.gz`."""
    return _plain_name(path).suffix.lower()


def _plain_name(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


class BadRow(ValueError):
    """A row that is not what the source expects. The message says what is missing."""


@dataclass(frozen=True)
class Row:
    """One row: `where` is "file:line" for JSONL, "file:record" (from 1) for a JSON list.

    `value` is None where `fault` says why the line is not a JSON object.
    """

    where: str
    number: int
    value: dict[str, Any] | None
    fault: str | None = None


def make_row(place: Place, number: int, value: Any) -> Row:
    """Return a JSON value as a row; anything but an object is a fault."""
    where = f"{place}:{number}"
    if isinstance(value, dict):
        return Row(where, number, value)
    return Row(where, number, None, f"a JSON object is expected, not {type(value).__name__}")


def checked(row: Row) -> dict[str, Any]:
    """Return the row's object.

    Raises:
        BadRow: the row has none.
    """
    if row.value is None:
        raise BadRow(row.fault)
    return row.value


def typed_field(row: dict[str, Any], name: str, kind: type) -> Any:
    """Return a field, checked for its type.

    Raises:
        BadRow: it is missing or of another type.
    """
    if name not in row:
        raise BadRow(f"no field {name!r}")
    if not isinstance(row[name], kind):
        raise BadRow(f"{name!r} must be {kind.__name__}, not {type(row[name]).__name__}")
    return row[name]


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
        """Return reason, number of rows and place of the first, the most frequent first."""
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
    """Yield each row's trajectory, or what `parse` says of it in a BadRow."""
    for row in rows:
        try:
            yield parse(row)
        except BadRow as err:
            yield Dropped(row.where, str(err))


def collect(made: Iterable[Trajectory | Dropped], n: int | None) -> Loaded:
    """Return the first `n` trajectories (None: all) and what was dropped before the last one."""
    loaded = Loaded([])
    for outcome in made:
        if isinstance(outcome, Dropped):
            loaded.dropped.append(outcome)
        else:
            loaded.trajectories.append(outcome)
        if len(loaded.trajectories) == n:
            break
    return loaded
