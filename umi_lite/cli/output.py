"""What the commands print, whatever stdout can hold."""

import io
import sys


def prepare_streams() -> None:
    """Let stdout and stderr write out what their encoding cannot hold, as `\\xfc`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_json(text: str) -> None:
    """Print a JSON text that is one line.

    Characters that a terminal would act on, and those that stdout's encoding cannot hold, are
    written as JSON's `\\u001b`, so that what is printed is the same value.
    """
    import json

    from umi_lite.sandbox.text import visible_json

    text = visible_json(text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
    print(text, flush=True)
