"""`python -m benchmarks serve`: what the server adds to an episode, and many clients.

`overhead`: each instruction runs in this process (`Agent.run`) and through `umi serve` in another
one, whole or streamed, with the same tools, weights, threads and context; all are greedy, so both
write the same. Each engine sees an instruction once: a second time its cache would hold the whole
episode. Who is first alternates; the first instruction of each way only warms up. `processor` are
the seconds of all cores, client and server together: unlike the time, they hold on a machine that
is not idle.
`many`: 50 clients at once on a queue of 16; how long a slot is held after its client left;
resident memory and open descriptors after the first 100 requests and at the end.
"""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import openai
import psutil
from rich.console import Console

from benchmarks.report import ratio, show
from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.open import open_roles
from umi_lite.data import toolworld
from umi_lite.data.toolsets import toolset
from umi_lite.engine.placement import Overrides

_MODEL = "bench"
_SETTINGS = ("--weights", "adapters", "--n-ctx", "1024", "--gpu-layers", "0")
_SHORT = ("--max-thought-chars", "24", "--max-answer-tokens", "8", "--queue", "16")
_CLIENTS = 50


def bench(
    bundle: Bundle, console: Console, *, episodes: int, requests: int, slots: int, threads: int
) -> None:
    """Print the table, ratios and JSON.

    Args:
        episodes: pairs of the same instruction here and there, whole and as many streamed.
        requests: of the test of memory; 0 leaves `many` out.
        slots: of the server.
    """
    pairs = _overhead(bundle, console, episodes, slots, threads)
    setups = {
        f"{name}, {'umi serve' if served else 'umi run in process'}": _row(found, served)
        for name, found in pairs.items()
        for served in (False, True)
    }
    ratios: dict[str, Any] = {}
    for name, found in pairs.items():
        for what in ("seconds", "processor"):
            each = [there[what] / here[what] for here, there in found]
            whole = [sum(cost[what] for cost in side) for side in zip(*found, strict=True)]
            ratios[f"{name}, {what}: median of serve / run, of the sums"] = [
                round(statistics.median(each), 3),
                ratio(whole[1], whole[0]),
            ]
    if requests:
        ratios |= _many(bundle, console, requests, slots, threads)
    show("umi serve", setups, ratios, threads)


_Run = Callable[[str], str | None]
# What an episode cost here, and through the server.
_Pair = tuple[dict[str, float], dict[str, float]]


def _overhead(
    bundle: Bundle, console: Console, episodes: int, slots: int, threads: int
) -> dict[str, list[_Pair]]:
    toolbox = toolset("toolworld", console.print)
    tasks = toolworld.load("test", 2 * (episodes + 1), seed=5).trajectories
    pairs: dict[str, list[_Pair]] = {"whole": [], "streamed": []}
    same = 0
    overrides = Overrides("adapters", 1024, None, 0, threads, episodes=1)
    with (
        open_roles(bundle, overrides=overrides) as engine,
        _server(bundle, "--slots", str(slots), "--threads", str(threads)) as (url, process),
        closing(_client(url)) as client,
    ):
        agent = bundle.agent(engine, toolbox)
        both = psutil.Process(), psutil.Process(process.pid)

        def here(text: str) -> str | None:
            return agent.run(text).answer

        def whole(text: str) -> str | None:
            made = client.chat.completions.create(model=_MODEL, messages=_user(text))
            return made.choices[0].message.content

        def streamed(text: str) -> str | None:
            chunks = client.chat.completions.create(model=_MODEL, messages=_user(text), stream=True)
            return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

        def cost(
            run: Callable[[str], str | None], text: str
        ) -> tuple[str | None, dict[str, float]]:
            before = sum(sum(one.cpu_times()[:2]) for one in both)
            began = time.perf_counter()
            said = run(text)
            seconds = time.perf_counter() - began
            after = sum(sum(one.cpu_times()[:2]) for one in both)
            return said, {"seconds": seconds, "processor": after - before}

        for at, task in enumerate(tasks):
            way = (whole, streamed)[at % 2]
            order = (here, way) if at % 4 < 2 else (way, here)
            costs = {run: cost(run, task.instruction) for run in order}
            (said, a), (answer, b) = costs[here], costs[way]
            same += said in (None, answer)
            console.print(f"{at}: {a['seconds']:.2f} s here, {b['seconds']:.2f} s {way.__name__}")
            if at > 1:
                pairs[way.__name__].append((a, b))
    console.print(f"the same answer: {same} of {len(tasks)}")
    return pairs


def _row(pairs: list[_Pair], served: bool) -> dict[str, float | int | None]:
    costs = [pair[served] for pair in pairs]
    return {
        "episodes": len(costs),
        "total seconds": round(sum(one["seconds"] for one in costs), 2),
        "median seconds": round(statistics.median(one["seconds"] for one in costs), 3),
        "processor": round(sum(one["processor"] for one in costs), 2),
    }


def _many(
    bundle: Bundle, console: Console, requests: int, slots: int, threads: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    options = ("--slots", str(slots), "--threads", str(threads), *_SHORT)
    with _server(bundle, *options) as (url, process), httpx.Client(base_url=url) as http:
        found["50 clients at once"] = dict(asyncio.run(_at_once(url)))
        found["seconds a slot is held after its client left"] = sorted(
            round(_leave(http, at), 3) for at in range(8)
        )
        grown = _grow(url, process.pid, requests, console)
        found |= {"seconds for the last requests": round(grown.pop("seconds"), 1), **grown}
        process.terminate()
        found["exit code after SIGTERM"] = process.wait(60)
    return found


async def _at_once(url: str) -> Counter[str]:
    """Return how many of 50 clients got which answer."""

    async def ask(client: openai.AsyncOpenAI, at: int) -> str:
        try:
            await client.chat.completions.create(
                model=_MODEL, messages=_user(f"What is {at} + 1?"), timeout=600
            )
            return "200"
        except openai.RateLimitError as err:
            return f"429, Retry-After {err.response.headers['retry-after']}"

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0) as client:
        return Counter(await asyncio.gather(*(ask(client, at) for at in range(_CLIENTS))))


def _leave(http: httpx.Client, at: int) -> float:
    """Return how long a slot is held after its client left, at another moment each time."""
    body = {"messages": _user(f"What is {at} + 1? " * (1 + 8 * (at % 2))), "stream": True}
    before = time.perf_counter()
    try:
        # Long prompts are left while they are read.
        http.post("/v1/chat/completions", json=body, timeout=0.1 + 0.05 * at)
    except httpx.ReadTimeout:
        before = time.perf_counter()
    while http.get("/health").json()["running"]:
        time.sleep(0.005)
    return time.perf_counter() - before


def _grow(url: str, pid: int, requests: int, console: Console) -> dict[str, Any]:
    """Send requests from 8 clients; return how memory and descriptors grew after the first 100."""
    server, left, done = psutil.Process(pid), iter(range(requests)), 0
    lock, marks = threading.Lock(), dict[int, tuple[float, int]]()
    began, at_first = time.perf_counter(), server.num_fds()

    def work() -> None:
        nonlocal done
        with httpx.Client(base_url=url, timeout=600) as http:
            for at in left:
                more = {"stream": True} if at % 2 else {}
                body = {"messages": _user(f"What is {at} * 3?"), "tool_choice": "none", **more}
                while http.post("/v1/chat/completions", json=body).status_code == 429:
                    time.sleep(0.2)
                with lock:
                    done += 1
                    if done % 100 == 0:
                        marks[done] = server.memory_info().rss / 2**20, server.num_fds()
                        console.print(f"{done}: {marks[done][0]:.1f} MiB, {marks[done][1]} open")

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    time.sleep(1)
    first, last = marks[min(marks)], (server.memory_info().rss / 2**20, server.num_fds())
    return {
        "seconds": time.perf_counter() - began,
        "resident MiB after 100, at the end": [round(first[0], 1), round(last[0], 1)],
        "growth": f"{100 * (last[0] / first[0] - 1):.2f}%",
        "descriptors before, after 100 (8 clients), at the end": [at_first, first[1], last[1]],
    }


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0, timeout=600)


def _user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@contextmanager
def _server(bundle: Bundle, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start `umi serve` in a process; yield its address and the process."""
    command = [sys.executable, "-m", "umi_lite", "serve", "-b", str(bundle.path), "--port", "0"]
    command += ["--name", _MODEL, "--tools", "toolworld", *_SETTINGS, *options]
    with tempfile.TemporaryDirectory() as data:
        kept = os.environ | {"UMI_LITE_DATA": data}  # where it keeps its traces
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=kept)
        yield from _running(process)


def _running(process: subprocess.Popen[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if (found := re.search(r" at (http://\S+)/v1", line)) is not None:
                break
        else:
            raise RuntimeError("umi serve did not start")
        yield found[1], process
    finally:
        process.terminate()
        process.wait(60)
