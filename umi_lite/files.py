"""Files that are there whole or not at all."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Put a file on disk, so that no rename or mark is there before what it stands for."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        work.write_text(text, encoding="utf-8")
        sync(work)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)
