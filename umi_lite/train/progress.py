"""Progress reports of a run: bars with ETA on a terminal, lines elsewhere."""

import time
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from umi_lite.console import Heartbeat


class Reporter(Protocol):
    """Reports the progress of a run. Sizes are in tokens that go through the model."""

    def begin(self, sizes: dict[str, int]) -> None:
        """Start, with the tokens of each job, in order."""
        ...

    def note(self, text: str) -> None:
        """Print a line."""
        ...

    def step(self, job: str, tokens: int, text: str) -> None:
        """Report that `tokens` of the job are done; `text` has step, loss and speed."""
        ...

    def end(self) -> None: ...


class RichReporter:
    """A bar per job and one for all of them; where the console is not a terminal, lines.

    A context manager: `end` is called at its end.

    Args:
        console: default stderr, so that stdout has a command's output only.
        every: seconds between two lines of a job's steps, default 10. Where no step ends for
            `console.EVERY` seconds, a line says so.
    """

    def __init__(self, console: Console | None = None, every: float = 10.0):
        self._console = console or Console(stderr=True)
        self._every = every
        self._said = 0.0
        self._job = "training"
        self._begun = time.monotonic()
        self._heartbeat = Heartbeat(self._console, self._working)
        self._heartbeat.start()
        self._sizes: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._first: tuple[float, int] | None = None
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=self._console,
        )

    def begin(self, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._done = dict.fromkeys(sizes, 0)
        if self._console.is_terminal:
            for name, size in {**sizes, "all": sum(sizes.values())}.items():
                self._tasks[name] = self._progress.add_task(name, total=size, text="")
            self._progress.start()

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)
        self._heartbeat.reset()

    def step(self, job: str, tokens: int, text: str) -> None:
        self._job = job
        self._done[job] = tokens
        done = sum(self._done.values())
        if self._tasks:
            self._progress.update(self._tasks[job], completed=tokens, text=text)
            self._progress.update(self._tasks["all"], completed=done)
            return
        now = time.monotonic()
        self._first = self._first or (now, done)
        last = tokens >= self._sizes[job]
        if now - self._said >= self._every or last:
            self._said = now
            self.note(f"{job}: {text}, {self._left(now, done)}")

    def _left(self, now: float, done: int) -> str:
        assert self._first is not None
        since, before = self._first
        if done <= before:
            return "time left unknown"
        seconds = (sum(self._sizes.values()) - done) * (now - since) / (done - before)
        return f"about {seconds / 60:.1f} min left"

    def _working(self) -> str:
        return f"{self._job}: still at work, {time.monotonic() - self._begun:.0f} s since the start"

    def end(self) -> None:
        self._heartbeat.stop()
        if self._tasks:
            self._progress.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Silent:
    """Reports nothing."""

    def begin(self, sizes: dict[str, int]) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def step(self, job: str, tokens: int, text: str) -> None:
        pass

    def end(self) -> None:
        pass
