"""A program from a model's text, and hints after its errors; runs in a worker.

Small models wrap programs in Markdown, import what is missing, and use the network.
"""

import ast
import re
import sys
import textwrap
import traceback

SOURCE = "<program>"
"""What tracebacks call the program."""

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[ \t]*$")
_PYTHON = ("", "python", "python3", "py", "tool_code")
_USUAL = "math, fractions, decimal, statistics, itertools, datetime, re, json"
_NETWORK = "there is no network in this sandbox"
# Modules that are useless without a network, and modules whose errors mean that there is none.
_OF_NETWORK = ("requests", "httpx", "urllib3", "aiohttp", "websockets", "ssl", "_ssl", "selenium")
_NETWORK_FAULTS = ("socket", "urllib.error", "ssl")
# What the kernel refused, by the module of the standard library that asked for it.
_REFUSED = (
    ("/asyncio/", "asyncio does not work in this sandbox: it needs sockets"),
    ("/subprocess.py", "there are no other processes in this sandbox"),
    ("/multiprocessing/", "there are no other processes in this sandbox"),
    ("/socket.py", _NETWORK),
)


def parse(text: str) -> ast.Module:
    """Return the program's tree, with the lines of the text.

    Raises:
        SyntaxError: it does not parse, even without a byte order mark and Markdown fences.
    """
    text = text.removeprefix("\ufeff")
    try:
        return ast.parse(text, SOURCE)
    except SyntaxError:
        inside = _fenced(text)
        if inside is None:
            raise
    return ast.parse(inside, SOURCE)


def hint(err: BaseException) -> str:
    """Return what the sandbox lacks, or has instead, after such an error; "" for others."""
    if isinstance(err, ImportError):
        said = [_NETWORK] if err.name in _OF_NETWORK else []
        if isinstance(err, ModuleNotFoundError):
            more = "sympy and " if "sympy" in sys.modules else ""
            said.append(f"available: {more}Python's standard library ({_USUAL} …)")
        return "; ".join(said)
    if type(err).__module__ in _NETWORK_FAULTS:
        return _NETWORK
    if isinstance(err, PermissionError):
        if err.filename is not None:
            return "no file of yours can be read in this sandbox, and none can be written"
        asked = [frame.filename for frame in traceback.extract_tb(err.__traceback__)]
        for part, said in _REFUSED:
            if any(part in file for file in asked):
                return said
    return ""


def _fenced(text: str) -> str | None:
    """Return what is inside Markdown code fences, on its own lines; None if there are none."""
    lines = text.split("\n")
    fences = [(at, found[1].lower()) for at, ln in enumerate(lines) if (found := _FENCE.match(ln))]
    if not fences:
        bare = text.strip()
        return bare.strip("`") if bare[:1] == bare[-1:] == "`" and "\n" not in bare else None
    if len(fences) == 1 and not "".join(lines[fences[0][0] + 1 :]).strip():
        # The last line closes what was opened before the program began.
        return "\n".join(lines[: fences[0][0]])
    kept = [""] * len(lines)
    # Openers and closers take turns; the last one may be missing.
    for (start, language), (end, _) in zip(
        fences[::2], [*fences[1::2], (len(lines), "")], strict=False
    ):
        if language in _PYTHON:
            kept[start + 1 : end] = textwrap.dedent("\n".join(lines[start + 1 : end])).split("\n")
    return "\n".join(kept) if any(kept) else None
