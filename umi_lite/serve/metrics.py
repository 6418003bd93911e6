"""`/metrics`: counts of requests, episodes and tokens, in Prometheus' text form."""

from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from umi_lite.agent.trace import Trace

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Load(Protocol):
    """How many episodes run, wait, and can run at once."""

    @property
    def running(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def slots(self) -> int: ...


class Metrics:
    """The counters of one server.

    Args:
        load: of its driver, read for each page.
    """

    def __init__(self, load: Load):
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "umi_requests",
            "chat requests by HTTP status (499: the client left)",
            ["status"],
            registry=registry,
        )
        self._episodes = Counter(
            "umi_episodes", "episodes by stop reason", ["stop"], registry=registry
        )
        self._tokens = Counter(
            "umi_tokens",
            "tokens of prompts: cached or evaluated; and generated",
            ["kind"],
            registry=registry,
        )
        self._seconds = Histogram(
            "umi_episode_seconds",
            "seconds from an episode's slot to its end",
            buckets=_SECONDS,
            registry=registry,
        )
        for name, text, read in (
            ("umi_episodes_running", "episodes with a slot", lambda: load.running),
            ("umi_episodes_waiting", "episodes in the queue", lambda: load.waiting),
            ("umi_slots", "episodes that can run at once", lambda: load.slots),
        ):
            Gauge(name, text, registry=registry).set_function(read)

    def answered(self, status: int) -> None:
        """Count a response."""
        self._requests.labels(str(status)).inc()

    def ended(self, trace: Trace) -> None:
        """Count an episode and its tokens."""
        self._episodes.labels(trace.stop).inc()
        self._seconds.observe(trace.seconds)
        for kind in ("reused", "evaluated", "generated"):
            self._tokens.labels(kind).inc(sum(getattr(turn, kind) for turn in trace.turns))

    def text(self) -> bytes:
        """Return all of them."""
        return generate_latest(self._registry)
