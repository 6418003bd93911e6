"""Full disk and out of memory: one line each; where rows can be split, the step is repeated.

A step's loss is a mean over all its trained tokens, so parts of a micro-batch add up to the
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
from umi_lite.train.device import is_out_of_memory
from umi_lite.train.distributed import world_size
from umi_lite.train.packs import Collator, Row
from umi_lite.train.run_dir import RunDir, step_of
from umi_lite.train.samples import row_names

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and tokenizers have the system's number in their text; torch's zip writer only says
# that it failed.
_TEXT = re.compile(rf"os error ({'|'.join(map(str, _NUMBERS))})\b|PytorchStreamWriter failed")


def is_disk_full(err: BaseException) -> bool:
    """True for no space, no quota, or a file above the size limit."""
    if isinstance(err, OSError) and err.errno in _NUMBERS:
        return True
    return type(err).__name__ in ("SafetensorError", "RuntimeError", "Exception") and bool(
        _TEXT.search(str(err))
    )


@contextmanager
def report_full_disk(job: str, run: RunDir) -> Iterator[None]:
    """Report in one line a file of a job that could not be written.

    Raises:
        UserError: instead of the writer's error.
    """
    try:
        yield
    except Exception as err:
        # torch raises a second error while it closes the file.
        if any(is_disk_full(one) for one in (err, err.__context__) if one):
            wrong, fix = f"no space left to write to {run.root}", "free some space"
        elif _is_of(err, run):
            wrong = f"{err.filename} cannot be written ({err.strerror})"
            fix = "make it writable"
        else:
            raise
        checkpoint = run.last_checkpoint(job)
        saved = f"step {step_of(checkpoint)}" if checkpoint else "the job's start"
        raise UserError(
            f"{job}: {wrong}; nothing is lost up to {saved}: {fix} and continue with --resume"
        ) from None


@contextmanager
def report_refused_writes(run: RunDir) -> Iterator[None]:
    """Report in one line a file of the run that could not be written, outside its jobs' steps.

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


def attempt(action: Callable[[], T]) -> T | None:
    """Return the action's result, or None (and free its memory) where memory ran out."""
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
def report_out_of_memory(job: str) -> Iterator[None]:
    """Report in one line a lack of memory that no smaller micro-batch fixes.

    Raises:
        UserError: instead of torch's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as err:
        if not is_out_of_memory(err):
            raise
        raise UserError(f"{job}: out of memory with no row in the model; {_LOWER}") from None


class MicroBatchSplit:
    """The number of parts that each micro-batch is split into: 1, 2, 4, ...

    Several processes synchronize in each micro-batch, so there it stays 1.

    Args:
        path: where the number is kept for later jobs and a resumed run.
        note: called with a line when it grows.
    """

    def __init__(self, path: Path, note: Callable[[str], None]):
        self._path = path
        self._note = note
        known = path.is_file() and world_size() == 1
        self.count = int(path.read_text(encoding="utf-8")) if known else 1

    def cut(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """Return the parts of a micro-batch: `count` of them, or one per row."""
        return _cut(rows, self.count)

    def give_way(self, collator: Collator, rows: Sequence[Row], where: str) -> None:
        """Free what is kept to save time, else halve: `rows` did not fit.

        Raises:
            UserError: see `halve`.
        """
        if collator.free():
            self._note(f"{where}: out of memory; contexts are no longer kept, but read each time")
        else:
            self.halve(rows, where)

    def halve(self, rows: Sequence[Row], where: str) -> None:
        """Double the parts from now on, because `rows` did not fit.

        Args:
            where: job and step, for the message.

        Raises:
            UserError: every part of `rows` is one row already, or there are several processes.
        """
        if world_size() > 1:  # the others would wait for gradients that never come
            raise UserError(
                f"{where}: out of memory in one of {world_size()} processes, which cannot halve "
                f"a micro-batch on its own; lower micro_batch or packed_length, or {_LOWER}"
            )
        if all(len(part) == 1 for part in self.cut(rows)):
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
            f"and accumulation doubles (each micro-batch in {self.count} parts)"
        )


def _cut(rows: Sequence[Row], count: int) -> list[Sequence[Row]]:
    if count == 1 or len(rows) == 1:
        return [rows]
    half = _middle([len(row.ids) for row in rows])
    return _cut(rows[:half], count // 2) + _cut(rows[half:], count // 2)


def _middle(lengths: Sequence[int]) -> int:
    """Return where to cut so that the longer side is shortest."""
    places = range(1, len(lengths))
    return min(places, key=lambda i: max(sum(lengths[:i]), sum(lengths[i:])))


def splitting_trainer(split: MicroBatchSplit, collator: Collator, job: str) -> type:
    """Return a subclass of SFTTrainer whose micro-batches go through the model in parts."""
    from trl.trainer.sft_trainer import SFTTrainer

    class SplittingTrainer(SFTTrainer):
        _step = -1
        _seen: list[list[Row]]

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            """Run forward and backward of a micro-batch.

            Where that does not fit, redo the whole step so far in smaller parts, from zero
            gradients.
            """
            if self._step != self.state.global_step:
                self._step, self._seen = self.state.global_step, []
            rows = inputs.pop("rows")
            self._seen.append(rows)
            loss = attempt(partial(self._sum, model, rows, num_items_in_batch))
            while loss is None:
                split.give_way(collator, rows, f"{job}: step {self._step + 1}")
                model.zero_grad()
                for rows in self._seen:
                    loss = attempt(partial(self._sum, model, rows, num_items_in_batch))
                    if loss is None:
                        break
            return loss

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
            ready = collator.before(self.accelerator.unwrap_model(model), inputs)
            return super().compute_loss(model, ready, *args, **options)

        def _sum(self, model: Any, rows: Sequence[Row], count: Any) -> Any:
            step = super().training_step
            return sum(step(model, collator.inputs(part), count) for part in split.cut(rows))

    return SplittingTrainer
