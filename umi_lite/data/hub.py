"""Rows through `datasets`, one by one: a data set of the Hugging Face hub, or a Parquet file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umi_lite.data.jsonl import Row, make_row
from umi_lite.data.place import HubData, Place
from umi_lite.hub import check_data
from umi_lite.protocol.errors import UserError


def hub_rows(place: HubData) -> Iterator[Row]:
    """The rows of one split, streamed: nothing is downloaded as a whole. `number` from 1.

    Raises:
        UserError: `datasets` is not installed, there is no such data set, configuration or
            split, or it cannot be reached.
    """
    label = f"hub {place}"
    datasets = _datasets(label)
    check_data(place.name)
    arguments = {"path": place.name, "name": place.config, "split": place.split}
    hint = "; name a local file (path: FILE) or a folder of data files (hub: FOLDER)"
    return _streamed(datasets, place, label, arguments, hint)


def parquet_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file, `number` counted from 1.

    Raises:
        UserError: `datasets` is not installed, or the file cannot be read.
    """
    label = f"{path} (Parquet)"
    arguments = {"path": "parquet", "data_files": str(path), "split": "train"}
    return _streamed(_datasets(label), path, label, arguments)


def _datasets(label: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(f"{label}: needs the package datasets: pip install datasets") from None
    return datasets


def _streamed(
    datasets: Any, place: Place, label: str, arguments: dict[str, Any], hint: str = ""
) -> Iterator[Row]:
    try:
        rows = datasets.load_dataset(**arguments, streaming=True)
        for number, value in enumerate(rows, start=1):
            yield make_row(place, number, value)
    except Exception as err:
        # `datasets` lets through what its many file systems raise.
        reason = " ".join(str(err).split())[:300] or type(err).__name__
        raise UserError(f"{label}: cannot be read ({reason}){hint}") from err
