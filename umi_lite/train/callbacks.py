"""What happens between a job's steps: metrics, trackers, marks on checkpoints, stop requests."""

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.curves import Page
from umi_lite.train.dataset import Ready
from umi_lite.train.device import peak_memory
from umi_lite.train.distributed import any_of, by_main, is_main, note_of_new_count
from umi_lite.train.progress import Reporter
from umi_lite.train.run_dir import RunDir, rewind_metrics
from umi_lite.train.samples import row_names

if TYPE_CHECKING:
    from transformers import TrainerCallback


_STOPPING = "stopping after this step (saving a checkpoint); press Ctrl-C again to abort"


class StopRequest:
    """Whether a signal asked the run to stop."""

    def __init__(self) -> None:
        self.requested = False

    def stop(self) -> None:
        self.requested = True
        if is_main():
            print(_STOPPING, file=sys.stderr, flush=True)

    def anywhere(self) -> bool:
        """Return True if any of the run's processes got a request; from then on all of them have.

        All processes must call this after the same step.
        """
        if any_of(self.requested) and not self.requested:
            self.stop()
        return self.requested


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request to stop; a second one raises KeyboardInterrupt.

    Outside the main thread signals keep their handlers.
    """
    stop = StopRequest()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.stop()

    with _handled(on_signal):
        yield stop


@contextmanager
def forward_signals(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Forward SIGINT and SIGTERM to a process that ends by itself."""
    with _handled(lambda number, _: process.send_signal(number)):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[signal.Signals, object] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, handler)
    except ValueError:
        pass  # not the main thread
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)  # type: ignore[arg-type]


def check_report_to(recipe: Recipe) -> None:
    """Refuse a tracker that is not installed, before anything is trained.

    Raises:
        UserError: it is not installed.
    """
    name = recipe.report_to
    if name != "none" and importlib.util.find_spec(name) is None:
        raise UserError(f"report_to: {name} is not installed (pip install {name})")


def trackers(recipe: Recipe, run: RunDir, job: str, step: int) -> list[Any]:
    """Return transformers' callbacks for the tracker; it writes into the run folder.

    Args:
        step: the job resumes here; records of later steps are dropped.
    """
    if recipe.report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations.integration_utils import TensorBoardCallback

        folder = run.root / "tensorboard" / job
        return [TensorBoardCallback(SummaryWriter(str(folder), purge_step=step + 1))]
    if recipe.report_to == "trackio":
        # Read when trackio is imported; its project and run names are in the trainer's arguments.
        os.environ.setdefault("TRACKIO_DIR", str(run.root.resolve() / "trackio"))
        from transformers.integrations.integration_utils import TrackioCallback

        return [TrackioCallback()]
    return []


_FP16_SKIPS = 16  # the loss scale starts at 2 ** 16 and is halved at each gradient that overflows


def callback(
    ready: Ready,
    run: RunDir,
    reporter: Reporter,
    page: Page,
    checkpoint: Path | None,
    stop: StopRequest,
) -> "TrainerCallback":
    """Create the callback: metrics, marks on checkpoints, the reporter, stop requests."""
    from transformers import TrainerCallback

    name, sizes = ready.job.name, ready.sizes
    trained = list(accumulate(ready.trained))
    metrics = run.metrics(name)
    metrics.parent.mkdir(parents=True, exist_ok=True)

    class Progress(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.done = sum(sizes[: state.global_step])
            self.since, self.before = time.monotonic(), self.done
            self.busy, self.first = 0.0, True
            self.earlier = 0.0
            self.skipped = 0
            if records := rewind_metrics(metrics, state.global_step):
                self.earlier = records[-1]["seconds"]
            if checkpoint:
                reporter.note(
                    f"{name}: resumes at step {state.global_step}{note_of_new_count(checkpoint)}"
                )

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.begun = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, **values: Any) -> None:
            logs = values["logs"]
            if "loss" not in logs:
                return
            self._stop_if_not_finite(args, state, logs)
            self.done = sum(sizes[: state.global_step])
            speed = (self.done - self.before) / max(self.busy, 1e-9)
            record = {
                "step": state.global_step,
                "loss": logs["loss"],
                "accuracy": logs.get("mean_token_accuracy"),
                "learning_rate": logs["learning_rate"],
                "grad_norm": logs.get("grad_norm"),
                "tokens": self.done,
                "trained_tokens": trained[state.global_step - 1],
                "seconds": round(self.earlier + time.monotonic() - self.since, 2),
                "peak_memory": peak_memory(),
                "tokens_per_second": round(speed, 1),
            }
            if is_main():
                with metrics.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                page.update()
            text = f"step {state.global_step}/{len(sizes)}, loss {logs['loss']:.3f}"
            reporter.step(name, self.done, f"{text}, {speed:.0f} tok/s")
            if self.first:
                # Warm-up (compilation with Unsloth on a GPU): the speed counts from the next step.
                self.first, self.before, self.busy = False, self.done, 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            # Speed counts the steps alone, without evaluations and checkpoints.
            self.busy += time.monotonic() - self.begun
            if stop.anywhere():
                control.should_save = control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            by_main(lambda: run.keep_checkpoint(name, state.global_step))

        def _stop_if_not_finite(self, args: Any, state: Any, logs: dict[str, float]) -> None:
            if not math.isfinite(logs["loss"]):
                raise UserError(_not_finite(ready, state.global_step, "loss", logs["loss"]))
            norm = logs.get("grad_norm", 0.0)
            if math.isfinite(norm):
                self.skipped = 0
                return
            # With fp16 a step whose gradients overflow is skipped, and the scale is lowered.
            self.skipped += 1
            if not args.fp16 or self.skipped > _FP16_SKIPS:
                raise UserError(_not_finite(ready, state.global_step, "gradient's norm", norm))

    return Progress()


def _not_finite(ready: Ready, step: int, what: str, value: float) -> str:
    job = ready.job
    names = row_names(row.name for row in ready.rows_of_step(step))
    return (
        f"{job.name}: the {what} is {value} at step {step} (rows {names}); lower the learning "
        f"rate, {job.settings.learning_rate:g}, or look at these rows: umi data preview"
    )
