"""Messages between the sandbox's processes: four bytes of length, then one JSON object.

Never pickle: what a worker sends may come from the program that it runs.
"""

import json
import os
import struct
from collections.abc import Mapping
from typing import Any, cast

Schema = Mapping[str, tuple[type, ...]]
_HEAD = struct.Struct(">I")
_TEXT = (str, type(None))
REQUEST: Schema = {"code": (str,), "limits": (dict,), "session": (bool,)}
REPLY: Schema = {
    "status": (str,),
    "stdout": (str,),
    "value": _TEXT,
    "error": _TEXT,
    "limit": _TEXT,
    "seconds": (float,),
    "state_lost": (bool,),
}
MOST = 256 << 20
"""Maximum bytes of a request or a reply."""


class FrameError(Exception):
    """Not a frame, a frame that is too large, or one with the wrong fields."""


def packed(frame: Mapping[str, Any]) -> bytes:
    """Return the frame's bytes."""
    body = json.dumps(frame, separators=(",", ":")).encode("ascii")
    return _HEAD.pack(len(body)) + body


class Unpacker:
    """Assembles frames from bytes as they arrive.

    Args:
        schema: a frame's fields, all of them required, and their types.
        most: maximum bytes of a frame.
    """

    def __init__(self, schema: Schema, most: int):
        self._schema = schema
        self._most = most
        self._bytes = bytearray()

    @property
    def missing(self) -> int:
        """Bytes until the current frame is complete, or until its length is known."""
        if len(self._bytes) < _HEAD.size:
            return _HEAD.size - len(self._bytes)
        return _HEAD.size + _HEAD.unpack_from(self._bytes)[0] - len(self._bytes)

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the frames that are complete now.

        Raises:
            FrameError: not a frame of this schema, or one above `most` bytes.
        """
        self._bytes += data
        frames: list[dict[str, Any]] = []
        while len(self._bytes) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._bytes)
            if length > self._most:
                raise FrameError(f"a frame of {length} bytes, above {self._most}")
            end = _HEAD.size + length
            if len(self._bytes) < end:
                break
            frames.append(_read(bytes(self._bytes[_HEAD.size : end]), self._schema))
            del self._bytes[:end]
        return frames


def read_frame(source: int, schema: Schema, most: int) -> dict[str, Any] | None:
    """Read one frame from a file descriptor, and not a byte more; None at its end.

    Raises:
        FrameError: as `Unpacker.feed`.
    """
    unpacker = Unpacker(schema, most)
    missing = _HEAD.size
    while data := os.read(source, missing):
        if frames := unpacker.feed(data):
            return frames[0]
        missing = unpacker.missing
    return None


def _read(body: bytes, schema: Schema) -> dict[str, Any]:
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise FrameError(f"not JSON: {type(err).__name__}") from err
    if not isinstance(read, dict):
        raise FrameError("not an object")
    frame = cast(dict[str, Any], read)
    if frame.keys() != schema.keys():
        raise FrameError("wrong fields for a frame")
    for key, types in schema.items():
        # isinstance would take a bool for an int.
        if type(frame[key]) not in types:
            raise FrameError(f"{key} has the wrong type")
    return frame
