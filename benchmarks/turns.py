"""Gold turns that the roles reproduce: `python -m benchmarks.turns BUNDLE... [--global] [-n 200]`.

Each gold turn of toolworld's tasks is predicted greedily on its gold history, by the roles of each
bundle and with `--global` also by its global adapter alone. A turn is right if it is the gold turn
word for word; of the planner's turns, also how many name the gold next speaker. p is of McNemar's
test against the first row. The last line is JSON.
"""

import argparse
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import show
from umi_lite.agent.agent import drive
from umi_lite.agent.bounds import Bounds
from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.data.load import load_source
from umi_lite.engine.machine import cores
from umi_lite.engine.placement import Overrides
from umi_lite.engine.request import Generation, Request, RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.stats import Rate, mcnemar
from umi_lite.protocol.grammar import answer_grammar, call_grammar, plan_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.roles import SPEAKS, BadTurn, parse_plan, step_text
from umi_lite.protocol.trajectory import ROLES, Plan, Role, Trajectory, View

SLOTS = 16
SPLITS = ("test", "ood")


@dataclass
class Counts:
    """Turns by role: how many were predicted, exactly as the gold, and with the gold's next."""

    exact: dict[Role, list[bool]] = field(default_factory=lambda: {role: [] for role in ROLES})
    decided: list[bool] = field(default_factory=list)

    def by_kind(self) -> dict[str, list[bool]]:
        """Return the outcomes as columns of the table."""
        return {"decisions": self.decided, **self.exact}


@dataclass(eq=False)
class _Task:
    """The turns of one task, as a run of `drive`."""

    trajectory: Trajectory
    engine: RoleEngine
    bounds: Bounds
    counts: Counts

    def __post_init__(self) -> None:
        self.turns = self._run()

    def advance(self, said: Generation | None) -> Request | None:
        try:
            request = next(self.turns) if said is None else self.turns.send(said)
        except StopIteration:
            self.engine.release(self)
            return None
        self.engine.submit(request)
        return request

    def abort(self, _: BaseException) -> None:
        self.engine.release(self)

    def _run(self) -> Generator[Request, Generation, None]:
        made, counts = self.trajectory, self.counts
        for at, step in enumerate(made.steps):
            role: Role | None = next((r for r in ROLES if isinstance(step, SPEAKS[r])), None)
            if role is None:
                continue
            said = yield self._request(role, made.model_copy(update={"steps": made.steps[:at]}))
            counts.exact[role].append(said.text.strip() == step_text(step, made.tools).strip())
            if isinstance(step, Plan):
                counts.decided.append(_next(said.text) == step.next)

    def _request(self, role: Role, history: Trajectory) -> Request:
        view = self.engine.view_of(role)
        words = self.engine.language(view)
        transcript = Transcript(view, words.template, words)
        ids = transcript.advance(history)
        bounds = self.bounds
        if role == "planner":
            grammar = plan_grammar(bounds.max_thought_chars, tools=bool(history.tools))
            most = bounds.max_thought_tokens
        elif role == "caller":
            grammar, most = call_grammar(history.tools), bounds.max_call_tokens
        else:
            grammar, most = answer_grammar(), bounds.max_answer_tokens
        return Request(
            view=view,
            speaker=self.engine.speaker_of(role),
            ids=tuple(ids),
            shared=transcript.shared,
            grammar=grammar,
            max_tokens=most,
            episode=self,
        )


def _next(plan: str) -> str | None:
    """Return the role that a plan names, None for one that was cut off."""
    try:
        return parse_plan(plan).next
    except BadTurn:
        return None


def predict(engine: RoleEngine, tasks: Iterable[Trajectory], bounds: Bounds) -> Counts:
    """Return the counts of all gold turns of the tasks."""
    counts = Counts()
    runs = (_Task(task, engine, bounds, counts) for task in tasks)
    drive(engine, runs, _Task.advance, _Task.abort)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--global", action="store_true", dest="backbone")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    found: dict[str, dict[str, Counts]] = {split: {} for split in SPLITS}
    for path in given.bundles:
        bundle = load_bundle(path)
        ways: dict[str, tuple[View, ...]] = {"roles": ROLES}
        if given.backbone:
            ways["global"] = ("backbone",)
        for way, views in ways.items():
            with open_roles(bundle, views=views, overrides=Overrides(slots=SLOTS)) as engine:
                for split in SPLITS:
                    options = {"split": split, "n": given.n, "seed": given.seed}
                    tasks = load_source("toolworld", options).trajectories
                    counts = predict(engine, tasks, bundle.spec.bounds)
                    name = f"{bundle.path} {way}"
                    found[split][name] = counts
                    rows[f"{name} {split}"] = {
                        what: round(100 * Rate.of(values).rate, 1)
                        for what, values in counts.by_kind().items()
                    }
    p_values = {
        f"{split}: {name} and {first}, p": {
            what: round(mcnemar(values, counts[first].by_kind()[what]).p, 4)
            for what, values in other.by_kind().items()
        }
        for split, counts in found.items()
        for first in list(counts)[:1]
        for name, other in counts.items()
        if name != first
    }
    show("gold turns reproduced, %", rows, p_values, cores())


if __name__ == "__main__":
    try:
        main()
    except UserError as err:
        raise SystemExit(str(err)) from None
