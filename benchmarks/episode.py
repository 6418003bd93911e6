"""`python -m benchmarks episode`: the same episodes on this engine, ablations and baselines.

One episode at a time, over one toolset, greedy; every set-up has the same tasks, threads and
constraints. Those over the bundle also have the same adapters and prompts (token for token), so
all say the same turns. `one transcript` is a second bundle, whose roles share one; it says the
turns of the first bundle's roles (`benchmarks.replay`), so its generated tokens are the same.

The first episode of a set-up starts with an empty cache; later ones reuse what it has kept.
`start-up` is the time before it, in which weights are loaded and contexts are made. Set-ups
alternate.
"""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import ablations
from benchmarks.baselines import Baseline, Llamas, Reload, grammars, server
from benchmarks.replay import Ids, Recorder, replaying
from benchmarks.report import ratio, show
from umi_lite.agent.agent import Agent
from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.merge import kept_merge
from umi_lite.data import toolworld
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import ROLES, Trajectory, View

if TYPE_CHECKING:
    from rich.console import Console

_MAIN = ("umi", "umi, merged weights")
_ONE = "umi, one transcript"
_COMPARED = (
    "first episode", "later episodes", "first, processor", "later, processor", "evaluated"
)  # fmt: skip
_WITH_ONE = (_ONE, f"{_ONE}, merged weights")
Open = Callable[[], AbstractContextManager[RoleEngine]]


@dataclass(frozen=True)
class _Run:
    """The episodes of one set-up in one round, their seconds, and the seconds before the first.

    `processor` are the seconds of all cores; `turns` are the ids that the roles said, in all.
    """

    traces: list[Trace]
    seconds: list[float]
    processor: list[float]
    start: float
    turns: list[Ids]


def bench(
    bundle: Bundle,
    llama_server: Path | None,
    console: "Console",
    *,
    activated: Bundle | None = None,
    episodes: int = 6,
    rounds: int = 3,
    only: Sequence[str] = (),
    threads: int | None = None,
    n_ctx: int = 1024,
) -> None:
    """Run all set-ups and print table, ratios and JSON.

    Args:
        bundle: with a view of its own for each role.
        llama_server: the program, built from the same llama.cpp tree; None leaves it out.
        activated: over the same base, with roles that share one transcript; None leaves it out.
        only: the set-ups to measure, default all.
        threads: of every set-up, default one per core; with 1, seconds of the processor hardly
            depend on other programs.

    Raises:
        UserError: a bundle is of the other kind, or the server does not come up.
    """
    if activated is not None and not activated.layout(ROLES).roles:
        raise UserError(f"--activated {activated.path}: each role has a transcript of its own")
    tasks = one_toolset(episodes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        adapters: dict[View, Path] = {role: bundle.adapters[role] for role in ROLES}
        merged: dict[View, Path] = {
            role: kept_merge(bundle.base, path, folder, bundle.place(role).made_of)
            for role, path in adapters.items()
        }
        options: dict[str, Any] = {"n_ctx": n_ctx, "threads": threads}
        words = stack.enter_context(Engine(bundle.base, dict.fromkeys(ROLES), **options))
        setups = _setups(bundle, adapters, merged, words, tasks, folder, llama_server, options)
        said = _episodes(setups["umi"], tasks).turns
        if activated is not None:
            setups |= _one_transcript(activated, said, folder, options)
        setups = {name: setups[name] for name in only or setups}
        for name, opened in setups.items():
            if name.startswith("umi"):
                _episodes(opened, tasks[:1])  # the docs are on disk from here on
        runs: dict[str, list[_Run]] = {name: [] for name in setups}
        for turn in range(rounds):
            for name, opened in setups.items():
                console.print(f"round {turn + 1} of {rounds}: {name}", highlight=False)
                runs[name].append(_episodes(opened, tasks))
    rows = {name: _row(made, said) for name, made in runs.items()}
    show(f"{episodes} episodes, medians of {rounds}", rows, _ratios(rows), words.threads)


def one_toolset(episodes: int) -> list[Trajectory]:
    """Return held-out tasks that share the most frequent toolset."""
    made = toolworld.load("test", 40 * episodes, 1).trajectories
    toolset, _ = Counter(tuple(tool.name for tool in t.tools) for t in made).most_common(1)[0]
    same = [t for t in made if tuple(tool.name for tool in t.tools) == toolset]
    return [t.model_copy(update={"steps": ()}) for t in same[:episodes]]


def _setups(
    bundle: Bundle,
    adapters: Mapping[View, Path],
    merged: Mapping[View, Path],
    words: Engine,
    tasks: Sequence[Trajectory],
    folder: Path,
    llama_server: Path | None,
    options: Mapping[str, Any],
) -> dict[str, Open]:
    held = grammars(tasks[0].tools)
    kept = folder / "prefixes"

    def ablated(engine: type[Engine]) -> Engine:
        return _warm(engine(bundle.base, adapters, **options))

    def umi(what: Bundle, **how: Any) -> Engine:
        return _warm(what.engine(views=ROLES, **how, **options))

    without = ablations.undrafted(bundle)

    setups: dict[str, Open] = {
        "umi": lambda: umi(bundle, prefixes_in=kept),
        "umi, merged weights": lambda: umi(bundle, merge_into=folder, prefixes_in=kept),
        "umi, merged weights, no drafts": lambda: umi(without, merge_into=folder, prefixes_in=kept),
        "umi, no drafts": lambda: umi(without, prefixes_in=kept),
        "umi, nor docs on disk": lambda: umi(without),
        "umi, forgets episodes": lambda: ablated(ablations.ForgetsEpisodes),
        "umi, forgets turns": lambda: ablated(ablations.ForgetsTurns),
        "umi, forces nothing": lambda: ablated(ablations.ForcesNothing),
        "Llama per merged role": lambda: closing(Llamas(words, held, merged)),
        "reload per call": lambda: nullcontext(Reload(words, held, adapters)),
    }
    if llama_server is not None:
        log = folder / "server.log"
        for name, flash in (("llama-server", "off"), ("llama-server, flash attention", "on")):
            setups[name] = partial(server, llama_server, words, held, adapters, log, flash)
    return setups


def _one_transcript(
    bundle: Bundle, said: Sequence[Ids], folder: Path, options: Mapping[str, Any]
) -> dict[str, Open]:
    """Return the set-ups of a bundle whose roles share one transcript; they say what `said` has."""

    def umi(**how: Any) -> Engine:
        kept = folder / "prefixes"
        return _warm(
            replaying(bundle.engine(views=ROLES, prefixes_in=kept, **how, **options), said)
        )

    return {
        _ONE: umi,
        f"{_ONE}, merged weights": lambda: umi(merge_into=folder),
    }


def _warm(engine: Engine) -> Engine:
    engine.warm()
    return engine


def _episodes(opened: Open, tasks: Sequence[Trajectory]) -> _Run:
    before = time.perf_counter()
    with opened() as engine:
        runner = Recorder(engine)
        run = _Run([], [], [], time.perf_counter() - before, runner.turns)
        for task in tasks:
            agent = Agent(runner, environment_of(task), BOUNDS)
            started, used = time.perf_counter(), _processor(engine)
            run.traces.append(agent.run(task))
            run.seconds.append(time.perf_counter() - started)
            run.processor.append(_processor(engine) - used)
    return run


def _processor(engine: object) -> float:
    return time.process_time() + (engine.elsewhere if isinstance(engine, Baseline) else 0.0)


def _row(runs: Sequence[_Run], said: Sequence[Ids]) -> dict[str, float | int]:
    """Return medians over the rounds; `same turns` counts turns equal to those in `said`."""
    traces = runs[0].traces
    turns = [turn for trace in traces for turn in trace.turns if turn.view != "tool"]
    times = {
        "seconds": [sum(run.seconds) for run in runs],
        "start-up": [run.start for run in runs],
        "first episode": [run.seconds[0] for run in runs],
        "later episodes": [sum(run.seconds[1:]) for run in runs],
        "first, processor": [run.processor[0] for run in runs],
        "later, processor": [sum(run.processor[1:]) for run in runs],
    }
    return {
        **{name: round(statistics.median(every), 3) for name, every in times.items()},
        "prompt_tokens": sum(turn.prompt_tokens for turn in turns),
        "evaluated": sum(turn.evaluated for turn in turns),
        "generated_tokens": sum(turn.generated for turn in turns),
        "forced": sum(turn.forced for turn in turns),
        "drafted": sum(turn.drafted for turn in turns),
        "accepted": sum(turn.accepted for turn in turns),
        "turns": len(turns),
        "same turns": sum(a == b for a, b in zip(runs[0].turns, said, strict=False)),
    }


def _ratios(rows: Mapping[str, Mapping[str, float | int]]) -> dict[str, float | None]:
    made: dict[str, float | None] = {}
    for engine in [name for name in (*_MAIN, *_WITH_ONE) if name in rows]:
        for baseline in rows:
            # The engine's own set-ups: one transcript compared with a view per role.
            if baseline.startswith("umi") and not (engine in _WITH_ONE and baseline in _MAIN):
                continue
            for what in _COMPARED:
                made[f"{engine}/{baseline}, {what}"] = ratio(
                    rows[engine][what], rows[baseline][what]
                )
    for ablation in rows:
        if "umi" in rows and ablation.startswith("umi,"):
            made[f"{ablation}/umi"] = ratio(rows[ablation]["seconds"], rows["umi"]["seconds"])
    return made
