"""Where an episode's time is spent: its evaluations, by kind and number of tokens.

    python -m benchmarks.evaluations BUNDLE [--episodes 4] [--threads 1]

For roles that share a transcript. *Read* evaluates it, *cue* its last token together with what is
forced or guessed at the start of a turn, *speak* the rest of a turn, guesses included. `switched`
is after a change of adapters. Seconds are the processor's: with one thread they hardly depend on
other programs. With adapters and with merged weights; the last line is JSON.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.episode import one_toolset
from benchmarks.report import show
from umi_lite.agent.agent import Agent
from umi_lite.bundle.bundle import Bundle, load_bundle
from umi_lite.engine.context import Context
from umi_lite.engine.engine import Engine
from umi_lite.engine.llama import Adapters
from umi_lite.errors import UserError
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import ROLES, Trajectory


@dataclass(frozen=True)
class Evaluation:
    """One `Context.decode`: its tokens, those whose logits are wanted, and whether the active
    adapters had just changed."""

    tokens: int
    wants: int
    switched: bool
    seconds: float


class Watch:
    """Records the evaluations of every context while it is open."""

    def __init__(self) -> None:
        self.made: list[Evaluation] = []
        self._before: dict[int, Adapters] = {}

    def __enter__(self) -> "Watch":
        self._decode = decode = Context.decode

        def timed(context: Context, entries: Sequence[tuple[int, int, int, bool]]) -> None:
            started = time.process_time()
            decode(context, entries)
            spent = time.process_time() - started
            active = context._active
            switched = self._before.get(id(context), active) != active
            self._before[id(context)] = active
            wants = sum(logits for *_, logits in entries)
            self.made.append(Evaluation(len(entries), wants, switched, spent))

        Context.decode = timed
        return self

    def __exit__(self, *_: object) -> None:
        Context.decode = self._decode


def kind_of(one: Evaluation) -> str:
    """Return what an evaluation does. Logits are wanted where a role speaks alone."""
    if not one.wants:
        return "read"
    return "cue" if one.switched else "speak"


def measure(bundle: Bundle, tasks: Sequence[Trajectory], **how: Any) -> dict[str, dict[str, float]]:
    """Return a row per kind of evaluation, and one of all that is not an evaluation."""
    with bundle.engine(views=ROLES, n_ctx=1024, **how) as engine:
        engine.warm()
        _play(engine, tasks[:1])
        engine.forget()
        with Watch() as watch:
            started = time.process_time()
            _play(engine, tasks)
            spent = time.process_time() - started
    groups: dict[str, list[Evaluation]] = {"read": [], "cue": [], "speak": []}
    for one in watch.made:
        groups[kind_of(one)].append(one)
    rows = {kind: _row(every, spent) for kind, every in groups.items() if every}
    inside = sum(one.seconds for one in watch.made)
    rows["all else"] = {
        "processor, s": round(spent - inside, 3), "share": round(1 - inside / spent, 3)
    }  # fmt: skip
    return rows


def _play(engine: Engine, tasks: Sequence[Trajectory]) -> None:
    for task in tasks:
        Agent(engine, environment_of(task), BOUNDS).run(task)


def _row(every: Sequence[Evaluation], spent: float) -> dict[str, float]:
    seconds = sum(one.seconds for one in every)
    return {
        "evaluations": len(every),
        "switched": sum(one.switched for one in every),
        "tokens": sum(one.tokens for one in every),
        "processor, s": round(seconds, 3),
        "share": round(seconds / spent, 3),
        "median, ms": round(1000 * statistics.median(one.seconds for one in every), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    bundle, tasks = load_bundle(given.bundle), one_toolset(given.episodes)
    if not bundle.layout(ROLES).roles:
        raise UserError(f"bundle {bundle.path}: no adapter acts on own turns")
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for form, merge_into in (("adapters", None), ("merged", Path(folder))):
            found = measure(
                bundle, tasks, threads=given.threads, merge_into=merge_into,
                prefixes_in=Path(folder) / "prefixes",
            )  # fmt: skip
            rows |= {f"{form}: {kind}": row for kind, row in found.items()}
    show(f"{given.episodes} episodes", rows, {}, given.threads)


if __name__ == "__main__":
    main()
