"""The viewer as a page: with traces in it, or asking the server that it comes from."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache

from umi_lite.agent.trace import Trace
from umi_lite.serve.query import INSTRUCTION, Entry
from umi_lite.webpage import json_block, page_policy, web_page

_FILES = ("umi_lite.serve", "viewer")


def page(traces: Sequence[Trace]) -> str:
    """Return traces as a page that is opened from disk; it asks for nothing."""
    entries = _named(traces)
    blocks = [
        json_block(trace.model_dump_json(), class_="trace", data_id=entry.id)
        for entry, trace in zip(entries, traces, strict=True)
    ]
    entries.sort(key=lambda entry: entry.began, reverse=True)
    index = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False)
    return web_page(*_FILES, blocks=[json_block(index, id="index"), *blocks])


@cache
def live_page() -> str:
    """Return the page that asks the server it comes from (`serve.viewer`) for the traces."""
    return web_page(*_FILES, connect="'self'", mode="live")


def live_policy() -> str:
    """Return the Content-Security-Policy of `live_page`, for the response's header."""
    return page_policy(*_FILES, connect="'self'") + "; frame-ancestors 'none'"


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
