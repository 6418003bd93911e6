"""`Agent` for one instruction, `run_many` for a batch of episodes."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.episode import Episode, OnEvent, Steps
from umi_lite.agent.trace import Trace, check_place, keep
from umi_lite.engine.request import Generation, Request, RoleEngine
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Observation, Trajectory
from umi_lite.tools.search import index_of
from umi_lite.tools.tools import Toolbox

OnTrace = Callable[[Trace, bool], None]


class ToolCrash(RuntimeError):
    """A tool tried to end the program instead of raising an exception."""


@dataclass(frozen=True)
class Job:
    """One task for `run_many`: a trajectory to start from, and its own live tools."""

    trajectory: Trajectory
    toolbox: Toolbox

    @classmethod
    def replay(cls, trajectory: Trajectory, toolbox: Toolbox) -> "Job":
        """Return the task of a finished trajectory, without its steps."""
        return cls(trajectory.model_copy(update={"steps": ()}), toolbox)


@dataclass
class Playing:
    """An episode that runs, and its trace once it has ended."""

    episode: Episode
    trace: Trace | None = None


@dataclass
class Agent:
    """Runs one instruction at a time.

    Args:
        engine: the roles.
        toolbox: the tools it may call.
        bundle: the bundle's name, for the traces.
    """

    engine: RoleEngine
    toolbox: Toolbox
    bounds: Bounds = field(default_factory=Bounds)
    sampling: Sampling = field(default_factory=Sampling)
    bundle: str | None = None

    def run(
        self,
        instruction: str | Trajectory,
        on_event: OnEvent | None = None,
        trace_path: Path | None = None,
        on_trace: OnTrace | None = None,
    ) -> Trace:
        """Run a task.

        Args:
            instruction: the user's text, or a trajectory to continue.
            on_event: called with (role or `tool`, stretch of text) while it runs.
            trace_path: where to save the trace, also of an aborted episode. If that fails
                after the episode (a full disk), a `Note` is issued: the answer is not lost.
            on_trace: called with (trace so far, True) at the start and after each step, and with
                (trace, False) at the end, also of an aborted episode.

        Raises:
            UserError: an empty instruction, tools that cannot be constrained, or a trace path
                that cannot be written, all before the first turn.
            KeyboardInterrupt, Exception: what aborted the episode, after its trace was
                saved. A tool's crash or a bad turn is a stop reason and raises nothing.
        """
        with self.playing(instruction, on_event, trace_path, on_trace) as playing:
            _play(playing.episode, self.engine.generate, self.toolbox)
        assert playing.trace is not None
        return playing.trace

    @contextmanager
    def playing(
        self,
        instruction: str | Trajectory,
        on_event: OnEvent | None = None,
        trace_path: Path | None = None,
        on_trace: OnTrace | None = None,
    ) -> Generator[Playing]:
        """Yield a task's episode, to be run within; its trace is made and saved at the end.

        Args and errors are those of `run`.
        """
        if isinstance(instruction, str):
            instruction = Trajectory(
                id=f"run-{uuid4().hex[:12]}",
                source="run",
                tools=self.toolbox.specs,
                instruction=instruction,
            )
        if trace_path is not None:
            check_place(trace_path)
        names = {"model": self.engine.base.name, "bundle": self.bundle}

        def report(episode: Episode) -> None:
            if on_trace is not None:
                on_trace(episode.trace(**names), True)

        episode = Episode(
            instruction,
            self.engine,
            self.bounds,
            self.sampling,
            on_event,
            on_step=None if on_trace is None else report,
            index=index_of(self.toolbox),
            pure=self.toolbox.pure,
        )
        playing = Playing(episode)
        try:
            report(episode)
            yield playing
        except (KeyboardInterrupt, GeneratorExit):
            episode.ended("interrupted")
            raise
        except ToolCrash as err:
            episode.ended("tool_crash", str(err))
        except Exception as err:
            episode.ended("error", line(err))
            raise
        finally:
            self.engine.release(episode)
            playing.trace = trace = episode.trace(**names)
            if trace_path is not None:
                keep(trace, trace_path)
            if on_trace is not None:
                on_trace(trace, False)


def _play(episode: Episode, generate: Callable[[Request], Generation], toolbox: Toolbox) -> None:
    """Run one episode to its end."""
    steps = episode.run()
    answer: Generation | Observation | None = None
    while True:
        try:
            asked = steps.send(answer)
        except StopIteration:
            return
        answer = generate(asked) if isinstance(asked, Request) else use(toolbox, asked)


def use(toolbox: Toolbox, call: Call) -> Observation:
    """Return what the tool answers; its exception is an observation.

    Raises:
        ToolCrash: it tried to end the program.
    """
    try:
        return toolbox.call(call)
    except KeyboardInterrupt:
        raise
    except BaseException as err:
        raise ToolCrash(f"tool {call.tool}: {line(err)}") from err


def line(err: BaseException) -> str:
    """Return an exception as one line of a trace."""
    return " ".join(f"{type(err).__name__}: {err}".split())


@dataclass
class _Running:
    """An episode of a batch, with its generator and tools."""

    index: int
    episode: Episode
    steps: Steps
    toolbox: Toolbox


def run_many(
    engine: RoleEngine,
    jobs: Iterable[Job],
    *,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    bundle: str | None = None,
    on_trace: Callable[[int, Trace], None] | None = None,
) -> list[Trace]:
    """Run many episodes, `engine.slots` at once; return the traces in the jobs' order.

    Jobs are taken one by one as slots become free, so an iterator may make each job's tools
    just in time. Keep jobs with the same tools adjacent: they share a cached prefix.

    Args:
        on_trace: called with (job's number, trace) as each episode ends.

    Raises:
        UserError: a job cannot be started (empty instruction, tools that cannot be
            constrained); the message has its number.
        EngineError: the engine failed. An error within one episode is in its trace.
    """
    batch = _Batch(engine, bounds or Bounds(), sampling or Sampling(), bundle, on_trace)
    return batch.run(enumerate(jobs))


class _Batch:
    def __init__(
        self,
        engine: RoleEngine,
        bounds: Bounds,
        sampling: Sampling,
        bundle: str | None,
        on_trace: Callable[[int, Trace], None] | None,
    ):
        self._engine = engine
        self._settings: tuple[Any, ...] = (bounds, sampling)
        self._bundle = bundle
        self._on_trace = on_trace
        self._traces: dict[int, Trace] = {}

    def run(self, jobs: Iterator[tuple[int, Job]]) -> list[Trace]:
        begun = (self._begin(index, job) for index, job in jobs)
        drive(self._engine, begun, self._advance, self._abort)
        return [trace for _, trace in sorted(self._traces.items())]

    def _begin(self, index: int, job: Job) -> _Running:
        try:
            episode = Episode(
                job.trajectory,
                self._engine,
                *self._settings,
                index=index_of(job.toolbox),
                pure=job.toolbox.pure,
            )
        except UserError as err:
            raise UserError(f"job {index} ({job.trajectory.id}): {err}") from None
        return _Running(index, episode, episode.run(), job.toolbox)

    def _advance(self, running: _Running, generation: Generation | None) -> Request | None:
        """Take an episode to its next request, or to its end."""
        try:
            asked = running.steps.send(generation)
            while isinstance(asked, Call):
                asked = running.steps.send(use(running.toolbox, asked))
            self._engine.submit(asked)
            return asked
        except StopIteration:
            pass
        except ToolCrash as err:
            running.episode.ended("tool_crash", str(err))
        except Exception as err:
            running.episode.ended("error", line(err))
        self._finish(running)
        return None

    def _abort(self, running: _Running, err: BaseException) -> None:
        """Leave the trace of an episode that the batch's failure ended."""
        if isinstance(err, KeyboardInterrupt):
            running.episode.ended("interrupted")
        else:
            running.episode.ended("error", line(err))
        self._finish(running)

    def _finish(self, running: _Running) -> None:
        self._engine.release(running.episode)
        trace = running.episode.trace(model=self._engine.base.name, bundle=self._bundle)
        self._traces[running.index] = trace
        if self._on_trace is not None:
            self._on_trace(running.index, trace)


_Run = TypeVar("_Run")


def drive(
    engine: RoleEngine,
    runs: Iterator[_Run],
    advance: Callable[[_Run, Generation | None], Request | None],
    abort: Callable[[_Run, BaseException], None],
) -> None:
    """Drive runs to their ends in a batch, `engine.slots` at once.

    Args:
        runs: taken one by one as slots become free.
        advance: takes a run from its last generation (None at its start) to its next request,
            which it submits and returns; None where the run has ended.
        abort: called with each unfinished run if anything raises; the error is raised again.
    """
    waiting: dict[Request, _Run] = {}

    def go(run: _Run, generation: Generation | None) -> None:
        request = advance(run, generation)
        if request is not None:
            waiting[request] = run

    try:
        more = True
        while more or waiting:
            while more and len(waiting) < engine.slots:
                try:
                    run = next(runs)
                except StopIteration:
                    more = False
                else:
                    go(run, None)
            for request, generation in engine.step() if waiting else ():
                go(waiting.pop(request), generation)
    except BaseException as err:
        for run in waiting.values():
            abort(run, err)
        raise
