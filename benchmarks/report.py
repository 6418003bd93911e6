"""Print the result of a benchmark: a table, ratios, and a last line of JSON."""

import json
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from umi_lite.engine.machine import machine_record

Setups = Mapping[str, Mapping[str, float | int | None]]


def ratio(a: float | int | None, b: float | int | None) -> float | None:
    """Return a / b to three decimals, None if one is missing."""
    return round(a / b, 3) if a is not None and b else None


def show(title: str, setups: Setups, ratios: Mapping[str, Any], threads: int) -> None:
    """Print the table, the ratios, and `{"setups", "ratios", "machine"}` on the last line."""
    columns = list(dict.fromkeys(key for row in setups.values() for key in row))
    table = Table("", *columns, title=title, box=box.SIMPLE)
    for name, row in setups.items():
        table.add_row(name, *("–" if row.get(c) is None else f"{row[c]:g}" for c in columns))
    console = Console()
    console.width = max(console.width, 132)  # lines of a table written to a file must not wrap
    console.print(table)
    for name, value in ratios.items():
        console.print(f"{name}: {value}", highlight=False)
    print(json.dumps({"setups": setups, "ratios": ratios, "machine": machine_record(threads)}))
