"""Check lines, notes and progress: a bar on a terminal, plain lines in a file or a pipe.

The lines come from a thread, so they also come while one item takes long.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from rich.console import Console


Mark = Literal["✓", "✗", "–"]


class Line(BaseModel):
    """One check and its result.

    Attributes:
        mark: ✓ works; ✗ should work and does not; – missing, and not needed.
        fix: what to do about it, if anything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: Mark
    name: str
    found: str
    fix: str | None = None

    def __str__(self) -> str:
        return f"{self.mark} {self.name}: {self.found}" + (f"; fix: {self.fix}" if self.fix else "")


def dim(console: "Console") -> Callable[[str], None]:
    """Return a function that prints notes, which are not the result."""
    return lambda text: console.out(text, style="dim", highlight=False)


EVERY = 25.0  # seconds between two lines


class Heartbeat:
    """Prints `text()` after each `every` seconds without a line. A context manager.

    Args:
        console: nothing is printed on a terminal.
        text: returns the current line.
        every: seconds, default 25.
    """

    def __init__(self, console: "Console", text: Callable[[], str], every: float = EVERY):
        self._console = console
        self._text = text
        self._every = every
        self._last = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @property
    def quiet(self) -> float:
        """Return the seconds since the last line."""
        return time.monotonic() - self._last

    def reset(self) -> None:
        """Wait for `every` seconds from now: another line was printed."""
        self._last = time.monotonic()

    def say(self) -> None:
        """Print a line now."""
        if not self._console.is_terminal:
            self._console.print(self._text(), markup=False, highlight=False, soft_wrap=True)
        self.reset()

    def start(self) -> None:
        if not self._console.is_terminal:
            self._thread.start()

    def stop(self) -> None:
        """Print no more lines."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(max(0.01, self._every - self.quiet)):
            if self.quiet >= self._every:
                self.say()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def working(text: str, console: "Console") -> Generator[None]:
    """Show that work is in progress: a spinner, or lines with the seconds so far."""
    started = time.monotonic()

    def line() -> str:
        return f"{text}: {time.monotonic() - started:.0f} s so far"

    if console.is_terminal:
        with console.status(text):
            yield
        return
    console.print(text, markup=False, highlight=False)
    with Heartbeat(console, line):
        yield


@contextmanager
def counting(
    title: str, total: int, what: str, console: "Console"
) -> Generator[Callable[[bool], None]]:
    """Show progress: a bar, or lines with count, speed and time left.

    Args:
        what: the name of a hit (`solved`), empty if none are counted.

    Yields:
        A function that moves it by one, and counts a hit if True.
    """
    started = time.monotonic()
    done = hits = 0

    def line() -> str:
        parts = [f"{title}: {done} of {total}"]
        if what:
            parts.append(f"{hits} {what}")
        seconds = time.monotonic() - started
        if 0 < done < total:
            each = seconds / done
            parts += [f"{each:.1f} s each", f"about {(total - done) * each / 60:.1f} min left"]
        else:
            parts.append(f"{seconds:.0f} s so far" if done < total else f"{seconds:.0f} s")
        return ", ".join(parts)

    if not console.is_terminal:

        def count(hit: bool) -> None:
            nonlocal done, hits
            done += 1
            hits += hit

        with Heartbeat(console, line) as lines:
            lines.say()
            yield count
        lines.say()
        return
    progress = _bar(console, f"{{task.fields[hits]}} {what}" if what else "")
    with progress:
        bar = progress.add_task(title, total=total, hits=0)

        def move(hit: bool) -> None:
            nonlocal hits
            hits += hit
            progress.update(bar, advance=1, hits=hits)

        yield move


def _bar(console: "Console", hits: str):
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    head = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *head, TextColumn(hits), TimeElapsedColumn(), TimeRemainingColumn(), console=console
    )
