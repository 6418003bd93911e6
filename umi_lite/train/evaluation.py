"""Held-out trajectories, the loss on them while a job trains, and the best adapter by it."""

import json
import math
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from umi_lite.errors import UserError
from umi_lite.files import staged_folder
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.dataset import Ready, job_rows
from umi_lite.train.distributed import by_main, gathered_weights, in_turns, is_main, world_size
from umi_lite.train.failures import MicroBatchSplit, attempt
from umi_lite.train.packs import Collator
from umi_lite.train.plan import Job
from umi_lite.train.run_dir import rewind_metrics
from umi_lite.train.samples import Rows
from umi_lite.train.tokenizer import Language

if TYPE_CHECKING:
    from transformers import TrainerCallback


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter saved at an evaluation: its folder, its step and its evaluation loss."""

    folder: Path
    step: int
    loss: float


class BestAdapter:
    """The adapter of a job's lowest evaluation loss: folders `best-*` in the job's folder.

    A folder is whole or does not exist, so a kill between two evaluations loses nothing.
    """

    def __init__(self, job_folder: Path):
        self._root = job_folder

    def found(self) -> SavedAdapter | None:
        """Return the one of the lowest loss."""
        every = [_read(path) for path in self._root.glob("best-*")]
        return min(every, key=lambda kept: kept.loss, default=None)

    def offer(self, step: int, loss: float, save: Callable[[str], object]) -> None:
        """Keep the adapter that `save` writes if its loss is the lowest so far (NaN never is)."""
        before = self.found()
        if not loss < (before.loss if before else float("inf")):
            return
        kept = self._root / f"best-{step}"
        with staged_folder(kept) as work:
            save(str(work / "adapter"))
            (work / "evaluation.json").write_text(json.dumps({"step": step, "loss": loss}))
        if before and before.folder != kept:
            shutil.rmtree(before.folder)

    def remove(self) -> None:
        """Remove all of them, and what a kill left half-written."""
        for pattern in ("best-*", ".best-*"):
            for path in self._root.glob(pattern):
                shutil.rmtree(path)


def _read(folder: Path) -> SavedAdapter:
    record = json.loads((folder / "evaluation.json").read_text())
    return SavedAdapter(folder, record["step"], record["loss"])


T = TypeVar("T")


def hold_out(recipe: Recipe, trajectories: Sequence[T]) -> tuple[list[T], list[T]]:
    """Split into what to train on and what to hold out: the same for all jobs, by seed alone.

    Raises:
        UserError: nothing is left to train on.
    """
    share = recipe.validation.share
    count = math.ceil(share * len(trajectories))
    if count == len(trajectories):
        raise UserError(
            f"validation.share {share:g} holds out all of the {count} trajectories: lower it"
        )
    drawn = set(random.Random(recipe.seed).sample(range(len(trajectories)), count))
    kept = [t for i, t in enumerate(trajectories) if i not in drawn]
    return kept, [t for i, t in enumerate(trajectories) if i in drawn]


def held_out_rows(
    recipe: Recipe, job: Job, held_out: Sequence[Trajectory], language: Language
) -> Rows:
    """Return a job's samples of the held-out trajectories; every trained token weighs 1.

    Raises:
        UserError: there are none, in a recipe that holds something out.
    """
    if not held_out:
        return Rows()
    plain = recipe.model_copy(update={"decision_weight": 1.0})
    try:
        return job_rows(plain, job, held_out, language)
    except UserError as err:
        share = recipe.validation.share
        raise UserError(f"validation.share {share:g}: in the held-out part, {err}") from None


class Evaluation:
    """The mean loss over the trained tokens of a job's held-out rows, all of equal weight."""

    def __init__(self, ready: Ready, collator: Collator, split: MicroBatchSplit):
        self._ready = ready
        self._collator = collator
        self._split = split
        self._tokens = sum(row.trained for rows in ready.held_out for row in rows)

    def loss(self, trainer: Any) -> float:
        """Return the current loss; the model is in training mode again afterwards.

        Raises:
            UserError: a row alone does not fit into memory.
        """
        import torch

        trainer.model.eval()
        with torch.no_grad():
            total = sum(self._of(trainer, rows) for rows in self._ready.held_out)
        # In this mode the trainer logs apart from the step's own figures.
        trainer.log({"eval_loss": total})
        trainer.model.train()
        return total

    def _of(self, trainer: Any, rows: Sequence[Any]) -> float:
        while (loss := attempt(lambda: self._sum(trainer, rows))) is None:
            self._split.give_way(self._collator, rows, f"{self._ready.job.name}: evaluation")
        return loss

    def _sum(self, trainer: Any, rows: Sequence[Any]) -> float:
        from accelerate.utils import send_to_device

        total = 0.0
        for part in self._split.cut(rows):
            inputs = send_to_device(self._collator.inputs(part), trainer.args.device)
            with trainer.compute_loss_context_manager():
                loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=self._tokens)
            # The trainer multiplies by the processes, over which gradients are averaged.
            total += float(loss) / world_size()
        return total


def evaluation_callback(
    recipe: Recipe, path: Path, best: BestAdapter, trainer: Any, evaluate: Callable[[Any], float]
) -> "TrainerCallback":
    """Create a callback that evaluates before the first step, every N steps and after the last.

    A record is a line of `path`: step, eval_loss. The lowest loss's adapter goes to `best`; the
    one that a job starts with is not a candidate.
    """
    from transformers import TrainerCallback

    every = recipe.validation.every

    class Evaluating(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not in_turns(lambda: rewind_metrics(path, state.global_step)):
                self._record(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            step = state.global_step
            if step % every and step != state.max_steps:
                return
            loss = self._record(step)
            control.should_log = True  # log the step's own figures: trainer.log above unset it
            if recipe.validation.keep == "best":
                weights = gathered_weights(trainer)
                save = partial(trainer.model.save_pretrained, state_dict=weights)
                by_main(lambda: best.offer(step, loss, save))

        def _record(self, step: int) -> float:
            loss = evaluate(trainer)
            if is_main():
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"step": step, "eval_loss": loss}) + "\n")
            return loss

    return Evaluating()
