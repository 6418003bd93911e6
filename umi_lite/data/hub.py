"""Rows of a data set on the Hugging Face hub, through `datasets`, one by one as they arrive."""

from collections.abc import Iterator

from umi_lite.data.jsonl import Row, make_row
from umi_lite.data.place import HubData
from umi_lite.protocol.errors import UserError


def hub_rows(place: HubData) -> Iterator[Row]:
    """The rows of one split, streamed: nothing is downloaded as a whole. `number` from 1.

    Raises:
        UserError: `datasets` is not installed, there is no such data set, configuration or
            split, or it cannot be reached.
    """
    try:
        import datasets
    except ImportError:
        raise UserError(f"hub {place}: needs the package datasets: pip install datasets") from None
    try:
        rows = datasets.load_dataset(place.name, place.config, split=place.split, streaming=True)
        for number, value in enumerate(rows, start=1):
            yield make_row(place, number, value)
    except Exception as err:
        # `datasets` lets through what its many file systems raise.
        reason = " ".join(str(err).split())[:300] or type(err).__name__
        raise UserError(f"hub {place}: cannot be read ({reason})") from err
