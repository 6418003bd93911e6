"""Where the data for development lies: never in the project, so a test may have to skip."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_file(name: str) -> Path:
    """A file below `$UMI_DATA`, or below `../shared/data` beside the checkout.

    Skips the test, with the reason, where it is not there.
    """
    root = Path(os.environ.get("UMI_DATA") or _BESIDE)
    path = root / name
    if not path.exists():
        pytest.skip(f"{name} is not here: set UMI_DATA to a folder that has it")
    return path
