"""`umi serve` killed while it serves: the trace store opens, and nothing in it is half-written."""

import random
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
from serving import until
from studies import STUDY
from test_serve_model import started

from umi_lite.serve.store import TraceStore

KILLS = 20 if STUDY else 3


def ask(url: str, words: str, ended: list[str]) -> None:
    """Ask until the server is gone; note which answers came whole."""
    with httpx.Client(timeout=60) as client, suppress(httpx.HTTPError):
        while True:
            body = {"messages": [{"role": "user", "content": words}], "max_tokens": 40}
            made = client.post(f"{url}/v1/chat/completions", json=body)
            if made.status_code == 200:
                ended.append(made.json()["id"])


def states(path: Path) -> set[str]:
    with TraceStore(path) as store:
        return {entry.state for entry in store.list()}


def test_killed_at_random_points_while_it_serves(short_bundle: Path, tmp_path: Path):
    path, ended = tmp_path / "traces.db", list[str]()
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for kill in range(KILLS):
        with started(short_bundle, "--slots", "4", UMI_LITE_DATA=str(tmp_path)) as (url, process):
            threads = [
                threading.Thread(target=ask, args=(url, f"What is {kill} plus {n}?", ended))
                for n in range(6)
            ]
            for thread in threads:
                thread.start()
            # Some are killed while the first prompts are read, others after a step was kept.
            if kill % 2:
                until(lambda url=url: httpx.get(f"{url}/health").json()["waiting"] == 2)
            else:
                until(lambda: "running" in states(path), 60)
            time.sleep(chance.uniform(0, 1.5))
            process.kill()
            process.wait()
            for thread in threads:
                thread.join(60)
        with TraceStore(path) as store:
            entries = store.list()
            traces = {entry.id: store.load(entry.id) for entry in entries}
            assert entries and "running" not in {entry.state for entry in entries}
            for entry in entries:
                assert entry.state == "killed" or traces[entry.id].stop == entry.state
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    # What its client got is missing only where it was still on its way to the store.
    assert len(set(ended) - traces.keys()) <= KILLS * 4
