"""Frames: whole, of their schema, within their bound; or refused."""

import json
import struct

import pytest

from umi_lite.sandbox.frames import FrameError, Unpacker, packed

SCHEMA = {"kind": (str,), "text": (str, type(None)), "number": (int,)}
GOOD = {"kind": "value", "text": None, "number": 1}


def raw(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def test_frames_come_out_as_they_went_in_however_they_are_cut():
    data = packed(GOOD) + packed({**GOOD, "text": "é\ud800\n"})
    unpacker = Unpacker(SCHEMA, 1000)
    frames = [frame for i in range(len(data)) for frame in unpacker.feed(data[i : i + 1])]
    assert frames == [GOOD, {**GOOD, "text": "é\ud800\n"}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b"\x80\x04",
        b"\xff",
        b'{"kind": "value"}',
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({**GOOD, "kind": 1}).encode(),
        json.dumps({**GOOD, "text": ["x"]}).encode(),
        json.dumps({**GOOD, "number": True}).encode(),
        json.dumps({**GOOD, "number": 1.0}).encode(),
        b"[" * 100_000,
        b"1" * 100_000,
    ],
)
def test_what_does_not_belong_is_refused(body):
    with pytest.raises(FrameError):
        Unpacker(SCHEMA, 1 << 20).feed(raw(body))


def test_a_length_above_the_bound_is_refused_before_it_is_read():
    with pytest.raises(FrameError, match="above 100"):
        Unpacker(SCHEMA, 100).feed(b"\xff\xff\xff\xff")
