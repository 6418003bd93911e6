"""The page of a run: whole in itself, live while it trains, and drawn by a real browser."""

import json
import re
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import launched, said_by
from local_server import running

from umi_lite.recipe.stages import JOBS
from umi_lite.train.curves import Page, job_svg, live_page
from umi_lite.train.run_dir import RunDir

STEPS = 40


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Global is done, planner is in the middle, two have not begun."""
    made = RunDir(tmp_path / "a <run>")
    for job, steps in (("global", STEPS), ("planner", 12)):
        made.job(job).mkdir(parents=True)
        lines = [{"step": i, "loss": 3 / i, "tokens_per_second": 99.6} for i in range(1, steps + 1)]
        made.metrics(job).write_text("".join(json.dumps(line) + "\n" for line in lines))
        records = [{"step": i, "eval_loss": 3.2 / (i + 1)} for i in range(0, steps + 1, 10)]
        made.validation(job).write_text("".join(json.dumps(line) + "\n" for line in records))
    made.adapter("global").mkdir()
    return made


def steps() -> Mapping[str, int]:
    return dict.fromkeys(JOBS, STEPS)


def test_it_tells_each_job_and_needs_nothing_else(run: RunDir) -> None:
    Page(run, steps()).write(live=True)
    page = (run.root / "curves.html").read_text()
    assert "<title>a &lt;run&gt;: training</title>" in page
    assert page.count("<svg") == 2 and page.count("<section>") == len(JOBS)
    assert "step 40 of 40, loss 0.0750, 100 tokens/s, evaluation loss 0.0780" in page
    assert "step 12 of 40" in page and page.count("step 0 of 40") == 2
    assert not re.search(r"(?:src|href)=|@import|url\(", page)
    assert 'http-equiv="refresh"' in page


def test_it_is_live_only_while_it_is(run: RunDir) -> None:
    path = run.root / "curves.html"
    with pytest.raises(KeyboardInterrupt), live_page(run, steps()) as page:
        page.update()
        assert "refresh" in path.read_text()
        path.write_text("old")
        page.update()
        assert path.read_text() == "old"  # not at every step
        raise KeyboardInterrupt
    assert (
        "stopped: continue with --resume" in path.read_text() and "refresh" not in path.read_text()
    )
    for job in JOBS:
        run.adapter(job).mkdir(parents=True, exist_ok=True)
    with live_page(run, steps()):
        pass
    assert ": done</title>" in path.read_text() and "refresh" not in path.read_text()


def test_a_long_run_stays_a_small_page() -> None:
    line = [(float(i), 1 + 1 / i) for i in range(1, 100_001)]
    svg = job_svg("planner", line, [(0.0, 2.0), (50.0, float("nan"))], 100_000)
    assert len(svg) < 20_000
    assert svg.count("<circle") == 1  # what is no number is not drawn


class Pages(BaseHTTPRequestHandler):
    """Serves the server's `page` and counts how often it was asked."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.server.asked += 1  # type: ignore[attr-defined]
        body = self.server.page.read_bytes()  # type: ignore[attr-defined]
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, page: Path):
        super().__init__(("127.0.0.1", 0), Pages)
        self.page, self.asked = page, 0


def test_a_browser_draws_every_line(run: RunDir) -> None:
    Page(run, steps()).write(live=True)
    page = run.root / "curves.html"
    shown = said_by(
        page,
        "[...document.querySelectorAll('polyline, circle')].map("
        "s => {const b = s.getBoundingClientRect(); return s.tagName + ' ' + "
        "Math.round(b.width) + 'x' + Math.round(b.height)}).join(', ')",
    )
    drawn = shown.split(", ")
    lines = [part.split()[1].split("x") for part in drawn if part.startswith("polyline")]
    assert len(lines) == 4 and all(int(width) > 50 and int(height) > 50 for width, height in lines)
    assert sum(part.startswith("circle") for part in drawn) == 5 + 2


def test_a_browser_asks_again_while_the_run_is_live(run: RunDir) -> None:
    Page(run, steps()).write(live=True)
    with running(Server(run.root / "curves.html")) as server, launched() as browser:  # type: ignore[type-var]
        browser.new_page().goto(f"http://127.0.0.1:{server.server_port}/")
        deadline = time.monotonic() + 60
        while server.asked < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert server.asked >= 2
