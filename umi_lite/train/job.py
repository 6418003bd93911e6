"""One job through TRL's SFTTrainer: its arguments, learning rate schedule, run and adapter."""

import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from umi_lite.engine.draft import PHRASES, learn_phrases
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.activated import OwnTurns
from umi_lite.train.adapter import average, fingerprint, name_invocation
from umi_lite.train.backends import Backend
from umi_lite.train.backends import settings as backend_settings
from umi_lite.train.batches import JoinedCollator
from umi_lite.train.batches import collator as row_collator
from umi_lite.train.callbacks import callback, catch_stop_signals, trackers
from umi_lite.train.checks import check_changed, check_loss, check_vocabulary
from umi_lite.train.collate import PackCollator, WithRows, weighted_loss
from umi_lite.train.contexts import ContextStore, TurnPack, fixed_cue
from umi_lite.train.curves import Page
from umi_lite.train.dataset import Ready, pad_to_multiple, shares_prefixes
from umi_lite.train.device import Setting
from umi_lite.train.distributed import (
    accumulation,
    by_main,
    gathered_weights,
    in_turns,
    is_main,
    is_sharded,
    rank_items,
    together,
)
from umi_lite.train.evaluation import BestAdapter, Evaluation, evaluation_callback
from umi_lite.train.failures import (
    MicroBatchSplit,
    attempt,
    report_full_disk,
    report_out_of_memory,
    splitting_trainer,
)
from umi_lite.train.packs import Collator, join_at_prefix, join_rows, rows_of
from umi_lite.train.plan import START
from umi_lite.train.progress import Reporter
from umi_lite.train.run_dir import RunDir, step_of


def arguments(recipe: Recipe, setting: Setting, ready: Ready, folder: Path) -> Any:
    """Return the SFTConfig of a job; checkpoints go to `folder`."""
    from trl.trainer.sft_config import SFTConfig

    job, settings = ready.job, ready.job.settings
    on_gpu = setting.device == "cuda"
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=ready.at_once,
        gradient_accumulation_steps=accumulation(settings.batch, ready.at_once),
        ddp_find_unused_parameters=False,
        num_train_epochs=1,  # the items are those of all epochs
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=not on_gpu,
        bf16=setting.precision == "bf16",
        fp16=setting.precision == "fp16",
        **backend_settings(recipe, setting),
        max_length=recipe.max_length,
        packing=False,
        loss_type="nll",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_every,
        disable_tqdm=True,
        report_to="none",  # `report_to.trackers` are added as callbacks
        project=recipe.name,
        run_name=job.name,
    )


def effective(trainer: Any, recipe: Recipe, setting: Setting, longest: int) -> str:
    """Return the effective settings in one line, with what differs from the recipe.

    Args:
        longest: tokens of the longest row of the job.

    Raises:
        UserError: the trainer or the model would cut rows that the recipe does not cut.
    """
    args, model = trainer.args, trainer.model
    _no_cut(trainer, recipe, longest)
    trained, parameters = model.get_nb_trainable_parameters()
    asked, got = _asked(recipe, setting), _got(trainer)
    over = "" if got["quantization"] == "none" else f" over {got['quantization']} weights"
    checkpointing = ["gradient checkpointing"] * (got["gradient checkpointing"] == "on")
    parts = [
        f"{trained / 1e6:.2f}M of {parameters / 1e6:.0f}M parameters trained",
        got["precision"] + over,
        f"longest row {longest} tokens",
        f"{args.gradient_accumulation_steps} x {args.per_device_train_batch_size} in a step",
        got["optimizer"],
        _rows(trainer, recipe),
        *checkpointing,
        f"attention {getattr(model.config, '_attn_implementation', None) or 'of its own'}",
    ]
    changed = [
        f"asked {name} {asked[name]}, got {got[name]}" for name in asked if asked[name] != got[name]
    ]
    return ", ".join(parts) + "".join(f"; {text}" for text in changed)


def passes(ready: Ready) -> str:
    """Return in one line what a job whose adapter acts on own turns puts through the model."""
    packs = [item for item in ready.items if isinstance(item, TurnPack)]
    read = sum({id(pack.context): len(pack.context.attended) for pack in packs}.values())
    own = sum(pack.trained for pack in packs)
    return (
        f"the adapter acts in its own turns, over {ready.job.under or 'the base'}: {own} positions "
        f"train; contexts of {read} tokens are read without gradients, shared by all roles"
    )


def _no_cut(trainer: Any, recipe: Recipe, longest: int) -> None:
    limits = {
        "the trainer's max_length": trainer.args.max_length,
        "the model's max_seq_length": getattr(trainer.model, "max_seq_length", None),
        "the model's positions": getattr(trainer.model.config, "max_position_embeddings", None),
    }
    for name, limit in limits.items():
        if limit is not None and limit < min(longest, recipe.max_length):
            raise UserError(
                f"rows of {longest} tokens would be cut: {name} is {limit}, the recipe's "
                f"max_length {recipe.max_length}; lower it, or take a base that reads more"
            )


def _asked(recipe: Recipe, setting: Setting) -> dict[str, str]:
    return {
        "precision": setting.precision,
        "quantization": recipe.quantization,
        "optimizer": setting.optimizer,
        "gradient checkpointing": "on" if recipe.gradient_checkpointing else "off",
    }


def _got(trainer: Any) -> dict[str, str]:
    args, model = trainer.args, trainer.model
    four_bit = any(type(module).__name__ == "Linear4bit" for module in model.modules())
    checkpointing = args.gradient_checkpointing or any(
        getattr(module, "gradient_checkpointing", False) for module in model.modules()
    )
    return {
        "precision": "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
        "quantization": "4bit" if four_bit else "none",
        "optimizer": _optimizer(trainer),
        "gradient checkpointing": "on" if checkpointing else "off",
    }


def _optimizer(trainer: Any) -> str:
    """Return the trainer's optimizer: its class, and the width of bitsandbytes' moments."""
    made, options = trainer.get_optimizer_cls_and_kwargs(trainer.args, trainer.model)
    if "adamw" not in made.__name__.lower():
        return made.__name__
    eight = options.get("optim_bits") == 8 or "8bit" in made.__name__.lower()
    return "adamw_8bit" if eight else "adamw"


def _rows(trainer: Any, recipe: Recipe) -> str:
    """Return how the rows of a micro-batch are arranged."""
    args, collator = trainer.args, trainer.data_collator.collator
    packs = isinstance(collator, PackCollator | OwnTurns)
    if packs and recipe.packing != "none":
        return "packed after shared prefixes"
    if args.per_device_train_batch_size == 1 and not args.packing:
        return "row by row"
    return "padding-free" if packs or isinstance(collator, JoinedCollator) else "padded"


def run_job(
    recipe: Recipe,
    ready: Ready,
    backend: Backend,
    store: ContextStore,
    run: RunDir,
    reporter: Reporter,
    page: Page,
) -> None:
    """Train one job, from its last complete checkpoint where there is one.

    Args:
        store: of the contexts that jobs share.

    Raises:
        KeyboardInterrupt: it was asked to stop (Ctrl-C, SIGTERM); a checkpoint was saved first.
        UserError: rows would be cut silently, the loss is NaN, not even single rows
            fit into memory, a file cannot be written, or the adapter did not change.
    """
    name = ready.job.name
    with report_out_of_memory(name), report_full_disk(name, run):
        _run(recipe, ready, backend, store, run, reporter, page)


def _run(
    recipe: Recipe,
    ready: Ready,
    backend: Backend,
    store: ContextStore,
    run: RunDir,
    reporter: Reporter,
    page: Page,
) -> None:
    from datasets import Dataset

    job, items = ready.job, pad_to_multiple(ready.items, rank_items(ready.at_once))
    checkpoint = in_turns(lambda: run.last_checkpoint(job.name))
    start, under = (name and run.adapter(name) for name in (job.start, job.under))
    with together():
        model, tokenizer = backend.open(start, job.seed, under)
    held_out = [row for rows in ready.held_out for row in rows]
    check_vocabulary(model, [*ready.rows, *held_out])
    before = fingerprint(model)
    if ready.contexts:
        collator: Collator = backend.own_turns(ready.contexts, store)
    else:
        collator = _collator(recipe, items, backend, model, tokenizer, reporter)
    if backend.packs and not is_sharded():  # FSDP may have sharded the weights
        shortest = min(ready.rows, key=lambda row: len(row.ids))
        with together():  # where memory runs out here, the first step reports it
            attempt(lambda: check_loss(model, shortest, collator, recipe, backend.setting))
    split = MicroBatchSplit(run.micro_batch_splits, reporter.note)
    trainer = scheduled(splitting_trainer(split, collator, job.name))(
        model=model,
        args=arguments(recipe, backend.setting, ready, run.checkpoints(job.name)),
        train_dataset=Dataset.from_dict({"item": list(range(len(items)))}),
        data_collator=WithRows(items, collator),
        processing_class=tokenizer,
        compute_loss_func=weighted_loss if backend.packs else None,
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    longest = max(len(row.ids) for item in items for row in rows_of(item))
    reporter.note(f"{job.name}: {effective(trainer, recipe, backend.setting, longest)}")
    if ready.contexts:
        reporter.note(f"{job.name}: {passes(ready)}")
    best = BestAdapter(run.job(job.name))
    with catch_stop_signals() as stop:
        trainer.add_callback(callback(ready, run, reporter, page, checkpoint, stop))
        if ready.held_out:
            loss = Evaluation(ready, collator, split).loss
            path = run.validation(job.name)
            trainer.add_callback(evaluation_callback(recipe, path, best, trainer, loss))
        if is_main():
            begun = step_of(checkpoint) if checkpoint else 0
            for tracker in trackers(recipe, run, job.name, begun):
                trainer.add_callback(tracker)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.requested:
        raise KeyboardInterrupt
    weights = gathered_weights(trainer)
    by_main(lambda: check_changed(before, fingerprint(model, weights), ready))
    _finish(ready, run, reporter, best, model, weights)
    del trainer
    backend.close(model)


def _collator(
    recipe: Recipe, items: Any, backend: Backend, model: Any, tokenizer: Any, reporter: Reporter
) -> Collator:
    if not backend.packs:
        pad = tokenizer.pad_token_id or 0
        return row_collator(model, items, recipe, backend.setting, pad=pad, note=reporter.note)
    return PackCollator(join_at_prefix if shares_prefixes(recipe) else join_rows)


def _finish(
    ready: Ready, run: RunDir, reporter: Reporter, best: BestAdapter, model: Any, weights: Any
) -> None:
    """Write the job's adapter: the one of the lowest evaluation loss where one was kept."""
    name, kept = ready.job.name, best.found()
    if kept:
        reporter.note(
            f"{name}: ends with the adapter of step {kept.step} of {len(ready.sizes)}, which has "
            f"the lowest evaluation loss, {kept.loss:.4f}"
        )

    def save(folder: Path) -> None:
        if kept:
            shutil.copytree(kept.folder / "adapter", folder, dirs_exist_ok=True)
        else:
            model.save_pretrained(str(folder), state_dict=weights)
        if ready.job.start_share:
            average(folder, run.adapter(START), ready.job.start_share)
        if ready.job.acts == "own turns" and (cue := fixed_cue(ready.rows)) is not None:
            name_invocation(folder, cue)
        phrases = learn_phrases((row.ids, row.weights) for row in ready.rows)
        phrases.save(folder / PHRASES)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card is an empty form

    def end() -> None:
        run.finish(name, save)
        best.remove()

    by_main(end)


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

    A linear warm-up that starts above zero, then a cosine. transformers counts the warm-up from 0,
    so that a job's first step has rate 0: a job of one step would end as it began.

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
