"""The processes of one run: which of them writes, when they wait, what they agree on.

`accelerate launch` and `torchrun` start them and number them by environment variables.
With one process nothing here has an effect, and torch is not imported.
"""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from umi_lite.errors import UserError
from umi_lite.ranks import is_main, number_of, world_size

T = TypeVar("T")


def is_sharded() -> bool:
    """True if FSDP shards the base model over the processes."""
    return world_size() > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1")


def join() -> None:
    """Join the other processes, before anything below is called."""
    if world_size() > 1:
        import torch
        from accelerate import PartialState

        on_cpu = not torch.cuda.is_available()
        if on_cpu:
            # Else accelerate calls it cpu:0, cpu:1, .., a name from which torch loads no file.
            os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
        PartialState(cpu=on_cpu)
        atexit.register(_leave)


def any_of(flag: bool) -> bool:
    """True if the flag is set in any process. All of them must call this, and wait."""
    if world_size() == 1:
        return flag
    import torch
    from accelerate import PartialState

    seen = torch.tensor(int(flag), device=PartialState().device)
    torch.distributed.all_reduce(seen, torch.distributed.ReduceOp.MAX)
    return bool(seen)


@contextmanager
def together() -> Iterator[None]:
    """Stop all processes after the block if one of them raised an error in it.

    No process may wait for another one within the block.

    Raises:
        UserError: of the first process that has one; other errors become one elsewhere.
    """
    if world_size() == 1:
        yield
        return
    wrong: Exception | None = None
    try:
        yield
    except Exception as err:
        wrong = err
    errors = [text for text in _gathered(_text_of(wrong)) if text]
    if wrong and not isinstance(wrong, UserError):
        raise wrong
    if errors:
        raise UserError(errors[0])


def by_main(work: Callable[[], object]) -> None:
    """Call `work` in the main process, once all have arrived; the others wait for it.

    Raises:
        UserError: of the main process, in all of them.
    """
    any_of(False)
    with together():
        if is_main():
            work()


def in_turns(work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in the main process first.

    It runs next in the first process of each other machine, then in all the others, which find
    what these made.

    Raises:
        UserError: of any process, in all of them.
    """
    own = 0 if is_main() else 1 if number_of("LOCAL_RANK", 0) == 0 else 2
    made: list[T] = []
    for turn in range(3 if world_size() > 1 else 1):
        with together():
            if turn == own:
                made.append(work())
    return made[0]


def accumulation(batch: int, at_once: int = 1) -> int:
    """Return the micro-batches per process in a step of `batch`, `at_once` items in each."""
    return max(1, batch // (world_size() * at_once))


def rank_items(at_once: int = 1) -> int:
    """Return the items of a micro-batch over all processes.

    It is 1 for a single process, whose last micro-batch may be smaller.
    """
    return world_size() * at_once if world_size() > 1 else 1


def check_batches(batches: Sequence[tuple[str, int]], at_once: int = 1) -> None:
    """Check that the processes can share each step's batch evenly.

    Args:
        batches: the recipe's key of a batch, and the batch.

    Raises:
        UserError: one that they cannot, and which would do.
    """
    whole = rank_items(at_once)
    for key, batch in batches:
        if batch % whole:
            below, above = batch // whole * whole, (batch // whole + 1) * whole
            right = f"{below} or {above}" if below else str(above)
            each = "" if at_once == 1 else f" in micro-batches of {at_once}"
            raise UserError(
                f"{key} is {batch}, which {world_size()} processes{each} cannot share evenly: "
                f"{right} would do (-o {key}={above})"
            )


def threads() -> int:
    """Return the CPU threads of this process: its share of the cores available here."""
    return max(1, len(os.sched_getaffinity(0)) // number_of("LOCAL_WORLD_SIZE", 1))


def device_map() -> dict[str, int] | None:
    """Return transformers' device map: this process's GPU; None without one or with FSDP."""
    import torch

    if not torch.cuda.is_available() or is_sharded():
        return None
    return {"": number_of("LOCAL_RANK", 0)}


def note_of_new_count(checkpoint: Path) -> str:
    """Return a note if another number of processes wrote the checkpoint, else an empty text."""
    before = len(list(checkpoint.glob("rng_state*.pth")))
    if before in (0, world_size()):
        return ""
    return f" (processes: {before} before, {world_size()} now; dropout masks differ)"


def gathered_weights(trainer: Any) -> dict[str, Any] | None:
    """Return the trained model's whole state dict where FSDP shards it, else None.

    All processes must call this; the main one gets it.
    """
    return trainer.accelerator.get_state_dict(trainer.model) if is_sharded() else None


def _leave() -> None:
    """Leave the group: a process that ends while its threads run is sometimes aborted."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _text_of(wrong: Exception | None) -> str | None:
    if wrong is None or isinstance(wrong, UserError):
        return wrong and str(wrong)
    return f"process {number_of('RANK', 0)} stopped with {type(wrong).__name__}: {wrong}"


def _gathered(value: object) -> list[Any]:
    """Return the value of each process, in order."""
    from torch import distributed

    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values
