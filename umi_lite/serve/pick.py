"""Traces by id, file or filter, and their export as JSON or as one page."""

import os
from collections.abc import Sequence
from pathlib import Path

from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError
from umi_lite.files import utf8, write_text, writing
from umi_lite.protocol.trajectory import Answer, Call, Plan
from umi_lite.serve.query import Query
from umi_lite.serve.store import TraceStore


def pick(which: str) -> Trace:
    """Return a trace.

    Args:
        which: an id in the user's store or its beginning, `last`, or the path of a trace file.

    Raises:
        UserError: there is none, or the file is not a trace.
    """
    path = Path(os.path.expanduser(which))
    if path.suffix == ".json" or len(path.parts) > 1 or os.path.lexists(path):
        return Trace.load(path)
    with TraceStore() as store:
        return store.load(utf8(which, "a trace's id"))


def pick_all(which: Sequence[str], query: Query) -> list[Trace]:
    """Return traces: the named ones, else those in the user's store that match, newest first.

    Args:
        which: as for `pick`, or folders of trace files.

    Raises:
        UserError: see `pick`; or traces are named, and the query is not empty.
    """
    if which:
        if query != Query():
            raise UserError("name traces, or filter those in the store, not both")
        files = [(Path(name), sorted(Path(name).glob("*.json"))) for name in which]
        names = [
            str(name) for path, inside in files for name in (inside if path.is_dir() else [path])
        ]
        return [pick(name) for name in names]
    with TraceStore() as store:
        return [store.load(entry.id) for entry in store.list(query)]


def write(traces: Sequence[Trace], out: Path) -> None:
    """Write traces as a page (`.html`), as JSON (`.json`, one trace) or as JSON lines (`.jsonl`).

    Raises:
        UserError: another suffix, several traces for one JSON, or a file that cannot be written.
    """
    match out.suffix:
        case ".html":
            from umi_lite.serve.page import page

            text = page(traces)
        case ".jsonl":
            text = "".join(f"{trace.model_dump_json()}\n" for trace in traces)
        case ".json" if len(traces) == 1:
            return traces[0].save(out)
        case ".json":
            raise UserError(f"{out} can hold one trace, not {len(traces)}: name a .jsonl file")
        case _:
            raise UserError(f"{out}: name a file that ends in .html, .json or .jsonl")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)


def prompt_of(trace: Trace, turn: int) -> str:
    """Return the exact prompt of a turn, by the number that `umi trace show` prints.

    Raises:
        UserError: no such turn, or one whose prompt the trace does not have.
    """
    said = [isinstance(step, Plan | Call | Answer) for step in trace.trajectory.steps]
    # A chat leaves a broken turn's step out when the user speaks again: a later step is there.
    numbers = {
        made.step + 1: number
        for number, made in enumerate(trace.turns)
        if made.step is not None and made.read and all(said[made.step : made.step + 1])
    }
    if turn in numbers:
        return "".join(text for text, _ in trace.prompt(numbers[turn]))
    known = map(str, sorted(numbers))
    raise UserError(
        f"trace {trace.trajectory.id} has no prompt of turn {turn}; "
        f"it has those of {', '.join(known) or 'none'}"
    )
