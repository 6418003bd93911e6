"""Disk cache of evaluated system messages with their tool docs.

llama.cpp loads a state of any model of the same shape without an error. So a file's name is a
hash of everything it depends on, and a file that does not match its own checksum is dropped.
"""

import hashlib
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from umi_lite.engine.context import Context
from umi_lite.errors import Note
from umi_lite.files import replacing, trim_cache

_SUM = 32  # bytes of the SHA-256 after the state


class Prefixes:
    """One view's evaluated prefixes in a folder that views and processes share.

    Args:
        folder: made when the first prefix is saved.
        identity: what the states depend on besides their tokens: the hashes of the model and
            the adapter.
        max_bytes: of all files in the folder, default 1 GiB; the least recently used go first.
    """

    def __init__(self, folder: Path, identity: str, max_bytes: int = 1 << 30):
        self._folder = folder
        self._identity = f"{identity} llama-cpp-python {version('llama-cpp-python')}"
        self._max_bytes = max_bytes

    def path(self, ids: Sequence[int]) -> Path:
        """Return the path of these tokens' state, whether it exists or not."""
        name = hashlib.sha256(f"{self._identity} {','.join(map(str, ids))}".encode())
        return self._folder / f"{name.hexdigest()}.state"

    def holds(self, ids: Sequence[int]) -> bool:
        """True if these tokens' state exists."""
        try:
            return self.path(ids).exists()
        except OSError:
            return False

    def load(self, context: Context, sequence: int, ids: Sequence[int]) -> bool:
        """Load the state of exactly these tokens into an empty sequence; False if there is none.

        500 tokens of a 135M model take 10 ms, a hundredth of evaluating them.
        """
        path = self.path(ids)
        try:
            data = path.read_bytes()
        except OSError:
            return False
        if hashlib.sha256(data[:-_SUM]).digest() == data[-_SUM:]:
            with suppress(OSError):
                os.utime(path)  # used just now
            if context.load_state(sequence, path, len(ids)) == list(ids):
                return True
            context.cut(sequence, 0)
        with suppress(OSError):  # a folder that is read-only
            path.unlink(missing_ok=True)
        return False

    def save(self, context: Context, sequence: int, ids: Sequence[int]) -> None:
        """Save a sequence that holds exactly these tokens; a full disk is a warning."""
        path = self.path(ids)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as work:
                if not context.save_state(sequence, work, ids):
                    raise OSError("llama.cpp could not write the state")
                digest = hashlib.sha256(work.read_bytes()).digest()
                with work.open("ab") as file:
                    file.write(digest)
            trim_cache(self._folder, "*.state", self._max_bytes)
        except OSError as err:
            reason = err.strerror or err
            warnings.warn(
                f"prefix cache {self._folder} is not written: {reason}", Note, stacklevel=2
            )
