"""Out of memory: half the rows go through the model at once, and the step is done again.

A step's loss is a mean over all its trained tokens, so pieces of a micro-batch add up to the
same gradients; only the rounding differs.
"""

import errno
import gc
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.train.collate import Collator
from umi_lite.train.distributed import world_size
from umi_lite.train.run_dir import RunDir, step_of
from umi_lite.train.samples import Row, row_names

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


_LOWER = "lower max_length or lora.r, or set gradient_checkpointing: true or quantization: 4bit"
T = TypeVar("T")


def is_out_of_memory(err: BaseException) -> bool:
    """torch's own error of a GPU, or what its CPU allocator raises."""
    import torch

    if isinstance(err, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(err, RuntimeError) and "can't allocate memory" in str(err)


def attempt(action: Callable[[], T]) -> T | None:
    """The action's result, or None where memory ran out: what it held is free again then."""
    try:
        return action()
    except (RuntimeError, MemoryError) as err:
        if not is_out_of_memory(err):
            raise
        seen: BaseException | None = err
        while seen is not None:
            traceback.clear_frames(seen.__traceback__)
            seen = seen.__cause__ or seen.__context__
    _free()
    return None


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def told_when_out(job: str) -> Iterator[None]:
    """One line for a lack of memory that no smaller micro-batch mends.

    Raises:
        UserError: instead of torch's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as err:
        if not is_out_of_memory(err):
            raise
        raise UserError(f"{job}: out of memory with no row in the model; {_LOWER}") from None


class Pieces:
    """Into how many pieces each micro-batch is cut: 1, 2, 4, ...

    Several processes meet in each micro-batch, so theirs stay whole.

    Args:
        path: where the number is kept, so that later jobs and a resumed run begin with it.
        note: told when it grows.
    """

    def __init__(self, path: Path, note: Callable[[str], None]):
        self._path = path
        self._note = note
        known = path.is_file() and world_size() == 1
        self.count = int(path.read_text(encoding="utf-8")) if known else 1

    def cut(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """The pieces of a micro-batch: as many as asked for, or a row each."""
        return _cut(rows, self.count)

    def halve(self, rows: Sequence[Row], where: str) -> None:
        """Cut into twice as many from now on, because `rows` did not fit.

        Args:
            where: job and step, for what is told.

        Raises:
            UserError: every piece of `rows` is one row already, or there are several processes.
        """
        if world_size() > 1:
            raise UserError(
                f"{where}: out of memory in one of {world_size()} processes, which cannot halve "
                f"a micro-batch on its own; lower micro_batch or packed_length, or {_LOWER}"
            )
        if all(len(piece) == 1 for piece in self.cut(rows)):
            longest = max(rows, key=lambda row: len(row.ids))
            raise UserError(
                f"{where}: out of memory with one row of {len(longest.ids)} tokens at a time "
                f"(rows {row_names(row.name for row in rows)}), nothing is left to "
                f"halve; {_LOWER}"
            )
        self.count *= 2
        write_text(self._path, f"{self.count}\n")
        self._note(
            f"{where}: out of memory; half as many rows go through the model at once from here on "
            f"and accumulation doubles (each micro-batch in {self.count} pieces)"
        )


def _cut(rows: Sequence[Row], count: int) -> list[Sequence[Row]]:
    if count == 1 or len(rows) == 1:
        return [rows]
    half = _middle([len(row.ids) for row in rows])
    return _cut(rows[:half], count // 2) + _cut(rows[half:], count // 2)


def _middle(lengths: Sequence[int]) -> int:
    """Where to cut so that the longer side is shortest."""
    places = range(1, len(lengths))
    return min(places, key=lambda i: max(sum(lengths[:i]), sum(lengths[i:])))


def in_pieces(pieces: Pieces, collator: Collator, job: str) -> type:
    """An SFTTrainer (the class) whose micro-batches go through the model in pieces."""
    from trl.trainer.sft_trainer import SFTTrainer

    class InPieces(SFTTrainer):
        _step = -1
        _seen: list[list[Row]]

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            """Forward and backward of a micro-batch; where that does not fit, of the whole step
            so far, in smaller pieces and from no gradient."""
            if self._step != self.state.global_step:
                self._step, self._seen = self.state.global_step, []
            rows = inputs.pop("rows")
            self._seen.append(rows)
            loss = attempt(partial(self._sum, model, rows, num_items_in_batch))
            while loss is None:
                where = f"{job}: step {self._step + 1}"
                if self.args.world_size > 1:
                    # The others would wait for gradients that never come.
                    raise UserError(
                        f"{where}: out of memory on one of {self.args.world_size} processes, where "
                        "nothing is halved by itself: lower micro_batch or packed_length"
                    )
                pieces.halve(rows, where)
                model.zero_grad()
                for rows in self._seen:
                    loss = attempt(partial(self._sum, model, rows, num_items_in_batch))
                    if loss is None:
                        break
            return loss

        def _sum(self, model: Any, rows: Sequence[Row], count: Any) -> Any:
            step = super().training_step
            return sum(step(model, collator.inputs(piece), count) for piece in pieces.cut(rows))

    return InPieces
