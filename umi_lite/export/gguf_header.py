"""A GGUF's metadata, read without the `gguf` package: a bundle is opened where none is.

Layout: magic, version u32, tensors u64, pairs u64, then the pairs; all little-endian
(llama.cpp, ggml/include/gguf.h).
"""

import mmap
import struct
from pathlib import Path
from typing import Any

from umi_lite.protocol.errors import UserError
from umi_lite.runtime.llama import check_gguf

# GGUF value types: 8 is a string, 9 an array, the others are of a fixed size.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_SCALARS[12] = "d"
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)


def read_header(path: Path, what: str) -> dict[str, Any]:
    """The metadata: numbers and strings as they are, an array as its length.

    Args:
        what: what the file is meant to be, for the messages (`adapter`).

    Raises:
        UserError: no file, not a GGUF, cut off within its header, of an unknown version, or
            one part of a split model.
    """
    check_gguf(path, what)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            meta = _Reader(data).metadata()
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
    return meta


class _Reader:
    def __init__(self, data: mmap.mmap):
        self.data = data
        self.at = 4

    def metadata(self) -> dict[str, Any]:
        version, _, pairs = self._unpack("<IQQ")
        meta: dict[str, Any] = {"version": version}
        if version in _VERSIONS:
            for _ in range(pairs):
                key = self._string()
                meta[key] = self._value(self._unpack("<I")[0])
        return meta

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
            # The vocabulary: 50,000 to 150,000 strings, whose text nobody asks for here.
            unpack, data, at = struct.Struct("<Q").unpack_from, self.data, self.at
            for _ in range(count):
                at += 8 + unpack(data, at)[0]
            self.at = at
        else:
            self.at += count * struct.calcsize("<" + _SCALARS[kind])
        return count
