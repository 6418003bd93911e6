"""Keeping an episode in the trace store while it runs, without a failure that ends it."""

import warnings

from umi_lite.agent.trace import Trace
from umi_lite.errors import Note, UserError
from umi_lite.serve.store import TraceStore


class Keeper:
    """Keeps an episode in a store, step by step. A failure is one `Note`, never an error.

    A chat is kept turn by turn, each time as a finished episode.

    Attributes:
        kept: True once the finished trace is in the store, as it was last given.
    """

    def __init__(self, store: TraceStore):
        self.kept = False
        self._store = store
        self._failed = False

    def __call__(self, trace: Trace, running: bool) -> None:
        """Save the trace of an episode that runs, or has ended."""
        if running and self._failed:
            return
        self.kept = False
        try:
            self._store.save(trace, running=running)
            self.kept = not running
        except UserError as err:
            self._note(f"{err}; the trace is not kept there")

    def forget(self, ident: str) -> None:
        """Remove an episode from the store again."""
        if not self.kept:
            return
        self.kept = False
        try:
            self._store.remove(ident)
        except UserError as err:
            self._note(f"{err}; the trace is still there")

    def _note(self, text: str) -> None:
        if not self._failed:
            warnings.warn(text, Note, stacklevel=4)
        self._failed = True
