"""Development data, which is not in the project: a test without it skips."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_file(name: str) -> Path:
    """Return a file below `$UMI_DATA`, or below `../shared/data` next to the checkout.

    Skip the test, with the reason, if it is missing.
    """
    root = Path(os.environ.get("UMI_DATA") or _DEFAULT)
    path = root / name
    if not path.exists():
        pytest.skip(f"{name} is missing: set UMI_DATA to a folder that has it")
    return path
