"""Output that is a file says what is being done: lines with count, speed and time left."""

import io
import re
import threading
import time

from rich.console import Console

from umi_lite.console import EVERY, Heartbeat, counting, working
from umi_lite.train.progress import RichReporter


def file_console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=60), out


def wait_for(out: io.StringIO, pattern: str) -> None:
    end = time.monotonic() + 20
    while not re.search(pattern, out.getvalue(), re.MULTILINE):
        assert time.monotonic() < end, out.getvalue()
        time.sleep(0.01)


def test_a_line_comes_at_least_every_half_minute() -> None:
    assert EVERY <= 30


def test_counting_in_a_file(monkeypatch) -> None:
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.05,))
    console, out = file_console()
    with counting("before [1]", 3, "solved", console) as count:
        wait_for(out, r"^before \[1\]: 0 of 3, 0 solved, \d+ s so far$")
        count(True)
        # While an item takes long, lines come all the same.
        wait_for(out, r"^before \[1\]: 1 of 3, 1 solved, \d+\.\d s each, about \d+\.\d min left$")
        count(False)
        count(True)
    assert re.fullmatch(r"before \[1\]: 3 of 3, 2 solved, \d+ s", out.getvalue().splitlines()[-1])


def test_counting_on_a_terminal_is_a_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with counting("static", 2, "", console) as count:
        count(True)
        count(True)
    assert "2/2" in out.getvalue() and "of 2" not in out.getvalue()


def test_work_without_a_count(monkeypatch) -> None:
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.05,))
    console, out = file_console()
    with working("converting", console):
        wait_for(out, r"^converting: \d+ s so far$")
    assert out.getvalue().startswith("converting\n")


def test_a_failure_ends_the_lines() -> None:
    console, out = file_console()
    try:
        with counting("before", 3, "solved", console) as count:
            count(True)
            raise ValueError
    except ValueError:
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert "3 of 3" not in out.getvalue()


def test_training_says_that_it_works_before_its_first_step(monkeypatch) -> None:
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.05,))
    console, out = file_console()
    with RichReporter(console, every=0.0) as reporter:
        wait_for(out, r"^training: still at work, \d+ s since the start$")
        reporter.begin({"global": 100})
        reporter.step("global", 50, "step 1/2")
        wait_for(out, r"^global: still at work")
    assert "global: step 1/2" in out.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
