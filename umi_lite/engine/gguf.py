"""GGUF header reader without the `gguf` package, which a bundle does not need to open.

Layout: magic, version u32, tensors u64, pairs u64, the pairs, then each tensor's name, shape,
type and offset, then their bytes; all little-endian (llama.cpp, ggml/include/gguf.h).
"""

import hashlib
import mmap
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.files import file_state, settled

# GGUF value types: 8 is a string, 9 an array, the others are of a fixed size.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_SCALARS[12] = "d"
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
TOKENIZER = "tokenizer"
_ALIGNMENT = 32


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's bytes begin in the file. `shape` as numpy has it, `type` a ggml type."""

    name: str
    shape: tuple[int, ...]
    type: int
    start: int


def check_gguf(path: Path, what: str) -> None:
    """Check that a file begins as a GGUF.

    Raises:
        UserError: the file is missing, unreadable or of another kind.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as err:
        raise UserError(f"{what} {path}: {err.strerror or err}") from None
    if magic != b"GGUF":
        raise UserError(f"{what} {path} is not a GGUF file: it begins with {magic!r}, not b'GGUF'")


def read_header(path: Path, what: str) -> dict[str, Any]:
    """Return the metadata: numbers and strings as they are, an array as its length.

    `TOKENIZER` is a hash of all fields of the tokenizer and the chat template.

    Args, Raises: see `read_gguf`.
    """
    return read_gguf(path, what)[0]


def read_gguf(path: Path, what: str) -> tuple[dict[str, Any], list[Tensor]]:
    """Return the metadata (see `read_header`) and the tensors; not to be changed.

    An unchanged file is parsed once: opening a bundle asks five times.

    Args:
        what: what the file is meant to be, for the messages (`adapter`).

    Raises:
        UserError: no file, not a GGUF, cut off within its header, of an unknown version, or
            one part of a split model.
    """
    check_gguf(path, what)
    state = file_state(path)
    try:
        meta, tensors = _kept(path, tuple(state)) if settled(state) else _parse(path)
    except (struct.error, UnicodeDecodeError, IndexError, KeyError):
        raise UserError(
            f"{what} {path} is damaged or cut off within its header: copy or export it again"
        ) from None
    if meta["version"] not in _VERSIONS:
        raise UserError(f"{what} {path} is a GGUF of version {meta['version']}; 3 is right")
    if meta.get("split.count", 0) > 1:
        raise UserError(
            f"{what} {path} is one part of {meta['split.count']}: join them first "
            "(llama-gguf-split --merge)"
        )
    return meta, tensors


def _parse(path: Path) -> tuple[dict[str, Any], list[Tensor]]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        meta, count = reader.metadata()
        return meta, reader.tensors(count, meta.get("general.alignment", _ALIGNMENT))


@lru_cache(maxsize=16)
def _kept(path: Path, _: tuple[int, ...]) -> tuple[dict[str, Any], list[Tensor]]:
    """Return what `_parse` does, of a file in this state."""
    return _parse(path)


class _Reader:
    def __init__(self, data: mmap.mmap):
        self.data = data
        self.at = 4

    def metadata(self) -> tuple[dict[str, Any], int]:
        """Return the key-value pairs, and the number of tensors."""
        version, tensors, pairs = self._unpack("<IQQ")
        meta: dict[str, Any] = {"version": version}
        if version not in _VERSIONS:
            return meta, 0
        tokenizer = hashlib.sha256()
        for _ in range(pairs):
            start = self.at
            key = self._string()
            meta[key] = self._value(self._unpack("<I")[0])
            if key.startswith("tokenizer."):
                tokenizer.update(self.data[start : self.at])
        meta[TOKENIZER] = tokenizer.hexdigest()
        return meta, tensors

    def tensors(self, count: int, alignment: int) -> list[Tensor]:
        """Return the tensors; to be called after `metadata`."""
        found: list[Tensor] = []
        for _ in range(count):
            name = self._string()
            (dimensions,) = self._unpack("<I")
            shape = self._unpack(f"<{dimensions}Q")[::-1]
            found.append(Tensor(name, shape, *self._unpack("<IQ")))
        first = -(-self.at // alignment) * alignment
        return [Tensor(t.name, t.shape, t.type, first + t.start) for t in found]

    def _unpack(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def _string(self) -> str:
        (size,) = self._unpack("<Q")
        text = self.data[self.at : self.at + size]
        if len(text) < size:
            raise IndexError
        self.at += size
        return text.decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._skip_array()
        return self._unpack("<" + _SCALARS[kind])[0]

    def _skip_array(self) -> int:
        kind, count = self._unpack("<IQ")
        if kind == _ARRAY:
            for _ in range(count):
                self._skip_array()
        elif kind == _STRING:
            # The vocabulary: 50,000 to 150,000 strings, which are not needed here.
            unpack, data, at = struct.Struct("<Q").unpack_from, self.data, self.at
            for _ in range(count):
                at += 8 + unpack(data, at)[0]
            self.at = at
        else:
            self.at += count * struct.calcsize("<" + _SCALARS[kind])
        return count
