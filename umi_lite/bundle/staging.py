"""Outputs that are whole or not there: written beside their place, then renamed into it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.files import scratch, sync


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` that takes its place when the block ends well.

    An older `target` is replaced, and comes back if the new one cannot take its place.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    with scratch_folder(target) as parent:
        work = parent / target.name
        work.mkdir()
        yield work
        for path in work.rglob("*"):
            sync(path)
        old = parent / ".replaced"
        if target.exists():
            target.rename(old)
        try:
            work.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """A path beside `target`, of the same name, that takes its place when the block ends well.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    with scratch_folder(target) as parent:
        work = parent / target.name
        yield work
        sync(work)
        work.replace(target)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A folder next to `target`, on the same disk, that is gone when the block ends.

    What killed processes left of such folders is removed first.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    try:
        with scratch(target) as work:
            yield work
    except OSError as err:
        raise UserError(f"{target} could not be written: {err.strerror or err}") from err


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name where the disk allows it, else a copy."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
