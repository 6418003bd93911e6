"""Traces on their way to a store, in a thread of its own: a slow disk holds up no episode."""

import logging
import queue
import threading
from typing import Protocol

from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError

_LOG = logging.getLogger(__name__)
# More waiting traces than this, and those of running episodes are left out.
_MOST = 64


class Store(Protocol):
    """Where traces are kept."""

    def save(self, trace: Trace, *, running: bool = False) -> object: ...


class Saver:
    """Saves traces in their order. A failure is logged: it costs no answer.

    Args:
        store: is used by one thread alone.
    """

    def __init__(self, store: Store):
        self._store = store
        self._traces: queue.Queue[tuple[Trace, bool] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._main, name="saver", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, trace: Trace, *, running: bool) -> None:
        """Save a trace soon; one of a running episode may be left out."""
        if not running or self._traces.qsize() < _MOST:
            self._traces.put((trace, running))

    def stop(self) -> None:
        """Save what is waiting, and end the thread."""
        self._traces.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self) -> None:
        while (found := self._traces.get()) is not None:
            trace, running = found
            try:
                self._store.save(trace, running=running)
            except Exception as err:
                known = isinstance(err, UserError)
                reason = str(err) if known else "the store has failed"
                shown = None if known else err
                _LOG.error("%s is not kept: %s", trace.trajectory.id, reason, exc_info=shown)
