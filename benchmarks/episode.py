"""`python -m benchmarks episode`: the same episodes on this engine, ablations and baselines.

One episode at a time, over one toolset, greedy; every set-up has the same prompts (token for
token), adapters, threads and constraints. The first episode of a set-up starts with an empty
cache; later ones reuse what it has kept. `start-up` is the time before it, in which weights are
loaded and contexts are made. Set-ups alternate.
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
from benchmarks.baselines import Llamas, Reload, grammars, server
from benchmarks.report import ratio, show
from umi_lite.agent.agent import Agent
from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.merge import kept_merge
from umi_lite.data import toolworld
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import RoleEngine
from umi_lite.evals.bounds import BOUNDS
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import ROLES, Trajectory, View

if TYPE_CHECKING:
    from rich.console import Console

Open = Callable[[], AbstractContextManager[RoleEngine]]


@dataclass(frozen=True)
class _Run:
    """The episodes of one set-up in one round, their seconds, and the seconds before the first."""

    traces: list[Trace]
    seconds: list[float]
    start: float


def bench(
    bundle: Bundle,
    llama_server: Path | None,
    console: "Console",
    *,
    episodes: int = 6,
    rounds: int = 3,
    n_ctx: int = 1024,
) -> None:
    """Run all set-ups and print table, ratios and JSON.

    Args:
        llama_server: the program, built from the same llama.cpp tree; None leaves it out.

    Raises:
        UserError: the server does not come up.
    """
    tasks = one_toolset(episodes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        adapters: dict[View, Path] = {role: bundle.adapters[role] for role in ROLES}
        merged: dict[View, Path] = {
            role: kept_merge(bundle.base, path, folder, bundle.place(role).made_of)
            for role, path in adapters.items()
        }
        words = stack.enter_context(Engine(bundle.base, dict.fromkeys(ROLES), n_ctx=n_ctx))
        setups = _setups(bundle, adapters, merged, words, tasks, folder, llama_server)
        runs: dict[str, list[_Run]] = {name: [] for name in setups}
        for name in ("umi", "umi, merged weights"):
            _episodes(setups[name], tasks[:1])  # the docs are on disk from here on
        for turn in range(rounds):
            for name, opened in setups.items():
                console.print(f"round {turn + 1} of {rounds}: {name}", highlight=False)
                runs[name].append(_episodes(opened, tasks))
    rows = {name: _row(made, runs["umi"][0]) for name, made in runs.items()}
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
) -> dict[str, Open]:
    held = grammars(tasks[0].tools)
    options: dict[str, Any] = {"n_ctx": words.n_ctx}
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


def _warm(engine: Engine) -> Engine:
    engine.warm()
    return engine


def _episodes(opened: Open, tasks: Sequence[Trajectory]) -> _Run:
    before = time.perf_counter()
    with opened() as runner:
        run = _Run([], [], time.perf_counter() - before)
        for task in tasks:
            agent = Agent(runner, environment_of(task), BOUNDS)
            started = time.perf_counter()
            run.traces.append(agent.run(task))
            run.seconds.append(time.perf_counter() - started)
    return run


def _row(runs: Sequence[_Run], first: _Run) -> dict[str, float | int]:
    """Return medians over the rounds; `same answers` counts answers equal to those of `first`."""
    traces = runs[0].traces
    turns = [turn for trace in traces for turn in trace.turns if turn.view != "tool"]
    steady = statistics.median(sum(run.seconds[1:]) for run in runs)
    return {
        "seconds": round(statistics.median(sum(run.seconds) for run in runs), 3),
        "start-up": round(statistics.median(run.start for run in runs), 3),
        "first episode": round(statistics.median(run.seconds[0] for run in runs), 3),
        "later episodes": round(steady, 3),
        "prompt_tokens": sum(turn.prompt_tokens for turn in turns),
        "evaluated": sum(turn.evaluated for turn in turns),
        "generated_tokens": sum(turn.generated for turn in turns),
        "forced": sum(turn.forced for turn in turns),
        "drafted": sum(turn.drafted for turn in turns),
        "accepted": sum(turn.accepted for turn in turns),
        "same answers": sum(
            a.answer == b.answer for a, b in zip(traces, first.traces, strict=True)
        ),
    }


def _ratios(rows: Mapping[str, Mapping[str, float | int]]) -> dict[str, float | None]:
    made: dict[str, float | None] = {}
    for engine in ("umi", "umi, merged weights"):
        for baseline in rows:
            if baseline.startswith("umi"):
                continue
            for what in ("first episode", "later episodes"):
                made[f"{engine}/{baseline}, {what}"] = ratio(
                    rows[engine][what], rows[baseline][what]
                )
    for ablation in rows:
        if ablation.startswith("umi,"):
            made[f"{ablation}/umi"] = ratio(rows[ablation]["seconds"], rows["umi"]["seconds"])
    return made
