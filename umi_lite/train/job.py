"""One job through TRL's SFTTrainer, as it is: our rows, our collator, our callback."""

import json
import math
import time
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.files import write_text
from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train.backends import Backend, has_gpu, precision
from umi_lite.train.chart import read_metrics
from umi_lite.train.collate import PackCollator, PlainCollator, weighted_loss
from umi_lite.train.effective import effective
from umi_lite.train.memory import peak_memory
from umi_lite.train.plan import Job
from umi_lite.train.progress import Reporter
from umi_lite.train.run_dir import RunDir, mark_complete
from umi_lite.train.samples import Pack, Row, make_packs, row_numbers
from umi_lite.train.stopping import Asked, stopping

if TYPE_CHECKING:
    from transformers import TrainerCallback


@dataclass(frozen=True)
class Ready:
    """A job whose rows are made: what it trains on, in the order in which it will be seen.

    `items` are packs, or rows for a backend that packs nothing; an item is a micro-batch.
    """

    job: Job
    items: list[Pack] | list[Row]

    @property
    def sizes(self) -> list[int]:
        """Tokens that go through the model, an optimizer step each."""
        return self._by_step([len(item.ids) for item in self.items])

    @property
    def trained(self) -> list[int]:
        """Tokens that count in the loss, an optimizer step each."""
        return self._by_step([item.trained for item in self.items])

    def _by_step(self, counts: list[int]) -> list[int]:
        batch = self.job.settings.batch
        return [sum(counts[i : i + batch]) for i in range(0, len(counts), batch)]


def make_ready(recipe: Recipe, job: Job, rows: list[Row], *, packs: bool) -> Ready:
    """The job's items for all its epochs: packed and shuffled anew in each, by seed alone."""
    settings = job.settings
    shared = packs and recipe.packing != "none"
    items: list[Pack] = []
    for epoch in range(math.ceil(settings.epochs)):
        seed = 1000 * job.seed + epoch
        made = make_packs(rows, length=recipe.packed_length, seed=seed, shared=shared)
        part = min(1.0, settings.epochs - epoch)
        items += made[: max(1, round(part * len(made)))]
    if settings.max_steps:
        items = items[: settings.max_steps * settings.batch]
    if settings.max_trained_tokens:
        spent = accumulate(pack.trained for pack in items)
        fitting = sum(tokens <= settings.max_trained_tokens for tokens in spent)
        items = items[: max(1, fitting)]
    return Ready(job, items if packs else [row for pack in items for row in pack.rows])


def run_job(
    recipe: Recipe, ready: Ready, backend: Backend, run: RunDir, reporter: Reporter
) -> None:
    """Train one job, from its last complete checkpoint where there is one.

    Raises:
        KeyboardInterrupt: it was asked to stop (Ctrl-C, SIGTERM); a checkpoint was saved first.
        UserError: rows would be cut silently, or the loss is no number any more.
    """
    from datasets import Dataset
    from trl.trainer.sft_trainer import SFTTrainer

    job = ready.job
    checkpoint = run.last_checkpoint(job.name)
    start = None if job.start is None else run.adapter(job.start)
    model, tokenizer = backend.open(start, job.seed)
    items: Any = ready.items
    packed = backend.packs
    collator = PackCollator(items) if packed else PlainCollator(items, tokenizer.pad_token_id or 0)
    trainer = SFTTrainer(
        model=model,
        args=_arguments(recipe, job, run.checkpoints(job.name)),
        train_dataset=Dataset.from_dict({"item": list(range(len(items)))}),
        data_collator=collator,
        processing_class=tokenizer,
        compute_loss_func=weighted_loss if packed else None,
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    longest = max(len(row.ids) for item in items for row in _rows_of(item))
    reporter.note(f"{job.name}: {effective(trainer, recipe, longest)}")
    with stopping() as asked:
        trainer.add_callback(_callback(ready, run, reporter, checkpoint, asked))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if asked.to_stop:
        raise KeyboardInterrupt

    def save(folder: Path) -> None:
        model.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card is an empty form

    run.finish(job.name, save)
    del trainer
    backend.close(model)


def _rows_of(item: Pack | Row) -> list[Row]:
    return item.rows if isinstance(item, Pack) else [item]


def _no_number(ready: Ready, step: int, loss: float) -> str:
    job, batch = ready.job, ready.job.settings.batch
    items = ready.items[(step - 1) * batch : step * batch]
    rows = [row for item in items for row in _rows_of(item)]
    numbers = row_numbers(sorted({row.number for row in rows}))
    return (
        f"{job.name}: the loss is {loss} at step {step} (rows {numbers}); lower the learning rate, "
        f"{job.settings.learning_rate:g}, or look at these rows: umi data preview"
    )


def _arguments(recipe: Recipe, job: Job, folder: Path) -> Any:
    from trl.trainer.sft_config import SFTConfig

    settings = job.settings
    kind = precision(recipe)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.batch,
        num_train_epochs=1,  # the items of all epochs stand one after another
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=not has_gpu(),
        bf16=kind == "bf16",
        fp16=kind == "fp16",
        gradient_checkpointing=recipe.gradient_checkpointing,
        max_length=recipe.max_length,
        packing=False,
        loss_type="nll",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=has_gpu(),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_every,
        save_total_limit=2,
        disable_tqdm=True,
        report_to="none",
    )


def _callback(
    ready: Ready, run: RunDir, reporter: Reporter, checkpoint: Path | None, asked: Asked
) -> "TrainerCallback":
    from transformers import TrainerCallback

    name, sizes = ready.job.name, ready.sizes
    trained = list(accumulate(ready.trained))
    metrics = run.metrics(name)
    metrics.parent.mkdir(parents=True, exist_ok=True)

    class Progress(TrainerCallback):
        """Metrics, marks on checkpoints, and what the reporter is told."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.done = sum(sizes[: state.global_step])
            self.since, self.before = time.monotonic(), self.done
            self.earlier = 0.0
            kept = [r for r in read_metrics(metrics) if r["step"] <= state.global_step]
            write_text(metrics, "".join(json.dumps(record) + "\n" for record in kept))
            if kept:
                self.earlier = kept[-1]["seconds"]
            if checkpoint:
                reporter.note(f"{name}: goes on at step {state.global_step}")

        def on_log(self, args: Any, state: Any, control: Any, **told: Any) -> None:
            logs = told["logs"]
            if "loss" not in logs:
                return
            if not math.isfinite(logs["loss"]):
                raise UserError(_no_number(ready, state.global_step, logs["loss"]))
            self.done = sum(sizes[: state.global_step])
            seconds = time.monotonic() - self.since
            speed = (self.done - self.before) / max(seconds, 1e-9)
            record = {
                "step": state.global_step,
                "loss": logs["loss"],
                "accuracy": logs.get("mean_token_accuracy"),
                "learning_rate": logs["learning_rate"],
                "grad_norm": logs.get("grad_norm"),
                "tokens": self.done,
                "trained_tokens": trained[state.global_step - 1],
                "seconds": round(self.earlier + seconds, 2),
                "peak_memory": peak_memory(),
                "tokens_per_second": round(speed, 1),
            }
            with metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            text = f"step {state.global_step}/{len(sizes)}, loss {logs['loss']:.3f}"
            reporter.step(name, self.done, f"{text}, {speed:.0f} tok/s")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if asked.to_stop:
                control.should_save = control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return Progress()
