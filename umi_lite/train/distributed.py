"""The processes of one run: which of them writes, when they wait, what they agree on.

`accelerate launch` and `torchrun` start them and tell each its place by environment variables.
With one process nothing here does anything, and torch is not imported.
"""

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from umi_lite.errors import UserError

T = TypeVar("T")
_LINGER = 2.0  # seconds


def world_size() -> int:
    """How many processes train together, over all machines."""
    return _number("WORLD_SIZE", 1)


def is_main() -> bool:
    """Is this the one that writes and prints?"""
    return world_size() == 1 or _number("RANK", 0) == 0


def is_sharded() -> bool:
    """Does FSDP cut the base model in pieces, one a process?"""
    return world_size() > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1")


def join() -> None:
    """Meet the other processes, before anything below is called."""
    if world_size() > 1:
        import torch
        from accelerate import PartialState

        on_cpu = not torch.cuda.is_available()
        if on_cpu:
            # Else accelerate calls it cpu:0, cpu:1, .., a name from which torch loads no file.
            os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
        PartialState(cpu=on_cpu)
        atexit.register(_part)


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process. All of them must ask, and wait for each other."""
    if world_size() == 1:
        return flag
    import torch
    from accelerate import PartialState

    told = torch.tensor(int(flag), device=PartialState().device)
    torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
    return bool(told)


@contextmanager
def together() -> Iterator[None]:
    """An error in one process stops all of them, behind the block.

    No process may wait for another one within the block.

    Raises:
        UserError: the first process's that has one; another error is one for the others.
    """
    if world_size() == 1:
        yield
        return
    wrong: Exception | None = None
    try:
        yield
    except Exception as err:
        wrong = err
    told = [text for text in _gathered(_said(wrong)) if text]
    if wrong and not isinstance(wrong, UserError):
        raise wrong
    if told:
        raise UserError(told[0])


def by_main(work: Callable[[], object]) -> None:
    """Done by the main process, once all are here; the others go on when it is done.

    Raises:
        UserError: the main process's, in all of them.
    """
    any_of(False)
    with together():
        if is_main():
            work()


def in_turns(work: Callable[[], T]) -> T:
    """What `work` gives: it runs in the main process, then in the first one of each other
    machine, then in all the others, which find what these have made.

    Raises:
        UserError: one of theirs, in all of them.
    """
    mine = 0 if is_main() else 1 if _number("LOCAL_RANK", 0) == 0 else 2
    made: list[T] = []
    for turn in range(3 if world_size() > 1 else 1):
        with together():
            if turn == mine:
                made.append(work())
    return made[0]


def accumulation(batch: int, at_once: int = 1) -> int:
    """Micro-batches of a process in a step of `batch`, `at_once` in each of them."""
    return max(1, batch // (world_size() * at_once))


def share(at_once: int = 1) -> int:
    """Items that the processes take together in a micro-batch; 1 where there is one process,
    which takes fewer in a last one."""
    return world_size() * at_once if world_size() > 1 else 1


def check_batches(batches: Sequence[tuple[str, int]], at_once: int = 1) -> None:
    """Can each step's batch be shared out evenly?

    Args:
        batches: the recipe's key of a batch, and the batch.

    Raises:
        UserError: one that cannot, and what would be right.
    """
    whole = share(at_once)
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
    """CPU threads of this process: its share of the cores that this machine's may use."""
    return max(1, len(os.sched_getaffinity(0)) // _number("LOCAL_WORLD_SIZE", 1))


def device_map() -> dict[str, int] | None:
    """Where transformers puts a model: on this process's own GPU, None where there is none or
    FSDP places it."""
    import torch

    if not torch.cuda.is_available() or is_sharded():
        return None
    return {"": _number("LOCAL_RANK", 0)}


def new_shares(checkpoint: Path) -> str:
    """What to say of a checkpoint that another number of processes wrote; else nothing."""
    before = len(list(checkpoint.glob("rng_state*.pth")))
    if before in (0, world_size()):
        return ""
    return f" (processes: {before} before, {world_size()} now; dropout is drawn anew)"


def gathered_weights(trainer: Any) -> dict[str, Any] | None:
    """The trained model's whole state dict where FSDP has it in pieces, else None.

    All processes must ask; the main one gets it.
    """
    return trainer.accelerator.get_state_dict(trainer.model) if is_sharded() else None


def end_behind_main(message: str, status: int) -> NoReturn:
    """End a process that is not the main one. The launcher ends all of them as soon as one has
    ended, and the main one says why first; where it goes on, this one says it."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(status))
    time.sleep(_LINGER)
    print(f"umi: process {os.environ['RANK']}: {message}", file=sys.stderr, flush=True)
    os._exit(status)


def _part() -> None:
    """A process that ends while the group's threads are running is sometimes aborted."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _said(wrong: Exception | None) -> str | None:
    if wrong is None or isinstance(wrong, UserError):
        return wrong and str(wrong)
    return f"process {_number('RANK', 0)} stopped with {type(wrong).__name__}: {wrong}"


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def _gathered(value: object) -> list[Any]:
    """The value of each process, in their order."""
    from torch import distributed

    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values
