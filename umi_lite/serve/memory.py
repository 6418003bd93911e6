"""The steps that led to an assistant's messages, which clients never see."""

import threading
from collections import OrderedDict

from umi_lite.protocol.trajectory import Step


class Memory:
    """Steps by key, the `most` last used ones; thread-safe.

    A client sends a conversation back as messages: thoughts, and calls of the server's own tools,
    are not in them. With these steps the transcript is the one that was written, so its
    evaluation is in the cache.
    """

    def __init__(self, most: int = 256):
        self._most = most
        self._steps: OrderedDict[str, tuple[Step, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> tuple[Step, ...] | None:
        """Return the steps of a key, None if it is unknown."""
        with self._lock:
            if key in self._steps:
                self._steps.move_to_end(key)
            return self._steps.get(key)

    def put(self, key: str, steps: tuple[Step, ...]) -> None:
        """Keep steps; the ones that were not used for longest are dropped."""
        with self._lock:
            self._steps[key] = steps
            self._steps.move_to_end(key)
            if len(self._steps) > self._most:
                self._steps.popitem(last=False)
