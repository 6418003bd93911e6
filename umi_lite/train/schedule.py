"""The learning rate over a job's steps: a linear warm-up that starts above zero, then a cosine.

transformers counts the warm-up from 0, so a job's first step has rate 0: a job of one step would
end as it began, and one of four steps would lose a quarter.
"""

import math
from functools import partial
from typing import Any


def rate_at(step: int, *, warmup: int, steps: int) -> float:
    """Return the share of the full learning rate in a step, counted from 0.

    In the k-th of `warmup` steps it is k / (warmup + 1), so the first step after them is the only
    one at the full rate; from there it falls on half a cosine, which reaches 0 after the last step.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def scheduled(trainer: type) -> type:
    """Return the trainer's class with this schedule in place of transformers'.

    The warm-up is the arguments' share of the steps, rounded up, but never all of them: a job of
    one step trains at the full rate.
    """

    class Scheduled(trainer):
        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            from torch.optim.lr_scheduler import LambdaLR

            if self.lr_scheduler is None:
                wanted = self.args.get_warmup_steps(num_training_steps)
                warmup = min(wanted, num_training_steps - 1)
                rate = partial(rate_at, warmup=warmup, steps=num_training_steps)
                self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rate)
                # The trainer makes a new one for each call of `train` where this is set.
                self._created_lr_scheduler = True
            return self.lr_scheduler

    return Scheduled
