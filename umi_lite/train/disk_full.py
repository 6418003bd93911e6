"""A file that cannot be written ends training in one line; the last whole checkpoint stays."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

from umi_lite.protocol.errors import UserError
from umi_lite.train.run_dir import RunDir, step_of

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and tokenizers tell the system's number in their text, torch's zip writer only that it
# failed.
_TOLD = re.compile(rf"os error ({'|'.join(map(str, _NUMBERS))})\b|PytorchStreamWriter failed")


def is_disk_full(err: BaseException) -> bool:
    """No space, no quota, or a file larger than may be."""
    if isinstance(err, OSError) and err.errno in _NUMBERS:
        return True
    return type(err).__name__ in ("SafetensorError", "RuntimeError", "Exception") and bool(
        _TOLD.search(str(err))
    )


@contextmanager
def told_when_full(job: str, run: RunDir) -> Iterator[None]:
    """One line for a file that could not be written, its half removed.

    Raises:
        UserError: instead of the writer's error.
    """
    try:
        yield
    except Exception as err:
        # torch raises a second error while it closes the file.
        if any(is_disk_full(one) for one in (err, err.__context__) if one):
            wrong, right = f"no space left to write to {run.root}", "free some space"
        elif _is_of(err, run):
            wrong = f"{err.filename} cannot be written ({err.strerror})"
            right = "make it writable"
        else:
            raise
        checkpoint = run.last_checkpoint(job)
        kept = f"step {step_of(checkpoint)}" if checkpoint else "the job's start"
        raise UserError(
            f"{job}: {wrong}; nothing is lost up to {kept}: {right} and go on with --resume"
        ) from None


@contextmanager
def told_when_refused(run: RunDir) -> Iterator[None]:
    """One line for a file of the run that could not be written, outside its jobs' steps.

    Raises:
        UserError: instead of the system's error.
    """
    try:
        yield
    except Exception as err:
        if not _is_of(err, run):
            raise
        raise UserError(f"{err.filename} cannot be written: {err.strerror}") from None


def _is_of(err: Exception, run: RunDir) -> TypeGuard[OSError]:
    """True if the system refused something in the run's folder."""
    return (
        isinstance(err, OSError)
        and isinstance(err.filename, str)
        and Path(err.filename).absolute().is_relative_to(run.root.absolute())
    )
