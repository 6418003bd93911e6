"""Explains why a source gave no trajectory, and names the source that fits the rows."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from umi_lite.data import SOURCES
from umi_lite.data.load import find_source
from umi_lite.data.read_rows import any_rows
from umi_lite.data.rows import HubData, Loaded, Place
from umi_lite.errors import UserError

_REASONS = 3
_LOOKED_AT = 20
_FIELDS = 8
_UTF8 = "; save the file as UTF-8 (iconv -f latin1 -t utf-8 OLD > NEW)"


def why_nothing(source: str, options: Mapping[str, Any], loaded: Loaded) -> str:
    """Return one line: how many rows were left out, the first reasons, and what would be right.

    Args:
        options: what the source was loaded with.
        loaded: what it gave: no trajectory.
    """
    place = place_of(options)
    where = f"source {source}" if place is None else f"source {source}, {place}"
    rows = len(loaded.dropped)
    if not rows:
        return f"{where}: {_emptiness(place)}"
    table = loaded.drop_table()
    reasons = [f"{reason} ({count}, first {at})" for reason, count, at in table[:_REASONS]]
    more = len(table) - _REASONS
    reasons += [f"{more} more reasons"] if more > 0 else []
    error = f"{where}: {rows} row{'s' * (rows > 1)} left out: {'; '.join(reasons)}"
    if table[0][0].startswith("not UTF-8"):
        return error + _UTF8
    return error if place is None else f"{error}{_hint(source, place)}"


def place_of(options: Mapping[str, Any]) -> Place | None:
    """Return where a source's options say that its rows are; None for a generated one."""
    if options.get("hub"):
        parts = {key: options[key] for key in ("config", "split") if options.get(key)}
        return HubData(options["hub"], **parts)
    return options.get("path")


def _hint(source: str, place: Place) -> str:
    first = _first_row(place)
    if first is None:
        return f"; none of the first {_LOOKED_AT} lines is a JSON object, one whole object a line"
    fitting = _fitting(first)
    if fitting not in (None, source):
        return f"; source {fitting} reads such rows"
    names = [str(name) for name in first]
    shown = ", ".join(names[:_FIELDS]) + (", ..." if len(names) > _FIELDS else "")
    return f"; the first row has the fields {shown}" if names and fitting is None else ""


def _first_row(place: Place) -> dict[str, Any] | None:
    try:
        rows = islice(any_rows(place, "data"), _LOOKED_AT)
        return next((row.value for row in rows if row.value is not None), None)
    except UserError:
        return None


def _fitting(row: Mapping[str, Any]) -> str | None:
    return next((name for name in SOURCES if find_source(name).fits(row)), None)


def _emptiness(place: Place | None) -> str:
    if place is None:
        return "none was asked for"
    path = None if isinstance(place, HubData) else Path(place)
    if path is not None and path.is_file() and not path.stat().st_size:
        return "the file is empty"
    return "it has no rows"
