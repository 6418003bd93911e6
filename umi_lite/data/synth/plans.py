"""The kinds of tasks and their shares, and the order in which they are made."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from umi_lite.data.synth.wording import SynthTool

_SIZES = ((2, 3, 4, 5, 6, 8, 10, 14, 18, 24), (10, 14, 16, 14, 12, 10, 8, 6, 5, 5))


@dataclass(frozen=True)
class Mix:
    """The shares of the kinds of tasks, in parts of their sum, and of what varies in them.

    Attributes:
        one: one call. two_parts, three_parts, four_parts: independent calls. two_chain,
            three_chain: later calls need earlier results. settings: set, then read again.
        computed: general tools compute with a result (`synth.computed`).
        retry: a call fails and is made with another value. dead_end: it fails for good.
        missing: a required value is not given. unsupported: no tool fits.
        twins: the share of tasks that offer a near-twin of a tool they need.
        optional: the chance of each optional argument to be given, two at most.
        sizes: numbers of tools offered, with their weights.
    """

    one: int = 36
    two_parts: int = 14
    three_parts: int = 6
    four_parts: int = 2
    two_chain: int = 14
    three_chain: int = 4
    settings: int = 2
    computed: int = 0
    retry: int = 7
    dead_end: int = 2
    missing: int = 5
    unsupported: int = 8
    twins: float = 0.35
    optional: float = 0.3
    sizes: tuple[Sequence[int], Sequence[float]] = _SIZES

    def shares(self) -> dict[str, int]:
        """Return the kinds of tasks with their shares."""
        return {name: value for name, value in vars(self).items() if name in KINDS_OF_TASKS}


@dataclass(frozen=True)
class Company:
    """The tools that every task offers, whatever it asks for.

    Attributes:
        always: in this order.
        foreign: never offered; what is asked for where no tool fits is one of these.
    """

    always: Sequence[SynthTool]
    foreign: Sequence[SynthTool] = ()


KINDS_OF_TASKS = (
    "one", "two_parts", "three_parts", "four_parts", "two_chain", "three_chain", "settings",
    "computed", "retry", "dead_end", "missing", "unsupported",
)  # fmt: skip


def turns(rng: random.Random, names: Sequence[str]) -> Callable[[], str]:
    """Return a function that gives the names one after another, shuffled, without an end."""
    order = itertools.cycle(rng.sample(list(names), len(names)))
    return lambda: next(order)


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
