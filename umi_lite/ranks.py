"""Which of a training run's processes this one is, by its launcher's environment variables.

`accelerate launch` and `torchrun` set them. The command line asks before it prints, so nothing
heavy is imported here; what the processes do together is in `train.distributed`.
"""

import os
import signal
import sys
import time
from typing import NoReturn

_LINGER = 2.0  # seconds


def number_of(name: str, default: int) -> int:
    """Return an environment variable as a number, the default where it is empty or not set."""
    return int(os.environ.get(name) or default)


def world_size() -> int:
    """Return how many processes train together, over all machines."""
    return number_of("WORLD_SIZE", 1)


def is_main() -> bool:
    """True if this is the process that writes and prints."""
    return world_size() == 1 or number_of("RANK", 0) == 0


def end_after_main(message: str, status: int) -> NoReturn:
    """End a process that is not the main one, after the main one has said why.

    The launcher ends all of them as soon as one has ended. Where the main one keeps running, this
    one prints the message.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(status))
    time.sleep(_LINGER)
    print(f"umi: process {os.environ['RANK']}: {message}", file=sys.stderr, flush=True)
    os._exit(status)
