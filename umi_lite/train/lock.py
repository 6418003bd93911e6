"""One process trains in a run folder at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.files import lock, writing
from umi_lite.train.distributed import by_main

_LOCKS: dict[Path, tuple[int, ...]] = {}


@contextmanager
def lock_run(root: Path) -> Iterator[tuple[int, ...]]:
    """Lock a run folder until the block ends; it is created where there is none.

    Of processes that train together the main one locks it for all. Within the block this process
    may lock it again.

    Yields:
        Descriptors to pass on to a process that trains here: it then keeps the lock for as long
        as it lives, even if this one dies.

    Raises:
        UserError: another process holds the lock, or the folder cannot be created.
    """
    key = root.absolute()
    if key in _LOCKS:
        yield _LOCKS[key]
        return
    found: list[int] = []
    by_main(lambda: found.extend(_locked(root)))
    _LOCKS[key] = tuple(found)
    try:
        yield _LOCKS[key]
    finally:
        del _LOCKS[key]
        for descriptor in found:
            os.close(descriptor)


def _locked(root: Path) -> list[int]:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = lock(root)
        except BlockingIOError:
            raise UserError(
                f"{root} is in use: another process trains there; wait for it, or name another "
                "folder"
            ) from None
    return [] if descriptor is None else [descriptor]
