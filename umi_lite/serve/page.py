"""The viewer as one self-contained page: markup, style, script and traces, nothing to fetch."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from umi_lite.agent.trace import Trace
from umi_lite.serve.query import INSTRUCTION, Entry

_HOLE = re.compile(r"\{\{(\w+)\}\}")
# JSON has these characters in strings only. Written so, no markup can begin or end in them.
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def page(traces: Sequence[Trace]) -> str:
    """Return traces as a page that is opened from disk; it asks for nothing."""
    entries = _named(traces)
    blocks = [
        _block(f'class="trace" data-id="{escape(entry.id)}"', trace.model_dump_json())
        for entry, trace in zip(entries, traces, strict=True)
    ]
    entries.sort(key=lambda entry: entry.began, reverse=True)
    index = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False)
    blocks.insert(0, _block('id="index"', index))
    return _filled(mode="file", policy=policy("'none'"), data="\n".join(blocks))


@cache
def live_page() -> str:
    """Return the page that asks the server it comes from (`serve.viewer`) for the traces."""
    return _filled(mode="live", policy=policy("'self'"), data="")


@cache
def policy(connect: str) -> str:
    """Return the page's Content-Security-Policy: its own script and style, and no others.

    Args:
        connect: what it may ask: `'none'` or `'self'`.
    """
    script, style = (f"'sha256-{_digest(_file(name))}'" for name in ("viewer.js", "viewer.css"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _named(traces: Sequence[Trace]) -> list[Entry]:
    """Return the traces' entries, their ids made unique: folders of traces may repeat them."""
    entries: list[Entry] = []
    seen = Counter[str]()
    for trace in traces:
        entry = Entry.of(trace)
        seen[entry.id] += 1
        times = seen[entry.id]
        entries.append(
            replace(
                entry,
                id=entry.id if times == 1 else f"{entry.id} ({times})",
                began=entry.began if trace.started else 0.0,
                instruction=entry.instruction[:INSTRUCTION],
            )
        )
    return entries


def _block(attributes: str, text: str) -> str:
    """Return a block of JSON that a browser keeps as text."""
    safe = text.translate(_ESCAPED)
    return f'<script type="application/json" {attributes}>{safe}</script>'


def _filled(**parts: Any) -> str:
    parts |= {"style": _file("viewer.css"), "script": _file("viewer.js")}
    # One pass: what is filled in is not looked at again.
    return _HOLE.sub(lambda hole: parts[hole[1]], _file("viewer.html"))


@cache
def _file(name: str) -> str:
    return resources.files("umi_lite.serve").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
