"""One job through TRL's SFTTrainer, as it is: our rows, our collator, our callbacks."""

import shutil
from pathlib import Path
from typing import Any

from umi_lite.protocol.phrases import PHRASES, learn_phrases
from umi_lite.recipe import Recipe
from umi_lite.train.arguments import arguments
from umi_lite.train.backends import Backend
from umi_lite.train.best import Best
from umi_lite.train.callback import callback
from umi_lite.train.changed import check_changed, fingerprint
from umi_lite.train.collate import Collator, PackCollator, WithRows, weighted_loss
from umi_lite.train.curves import Page
from umi_lite.train.disk_full import told_when_full
from umi_lite.train.effective import effective
from umi_lite.train.even import evened
from umi_lite.train.loading import check_vocabulary
from umi_lite.train.out_of_memory import Pieces, attempt, in_pieces, told_when_out
from umi_lite.train.own_loss import check_loss
from umi_lite.train.padding_free import collator as row_collator
from umi_lite.train.processes import (
    by_main,
    gathered_weights,
    in_turns,
    is_main,
    is_sharded,
    share,
    together,
)
from umi_lite.train.progress import Reporter
from umi_lite.train.ready import Ready, shares_prefixes
from umi_lite.train.report_to import trackers
from umi_lite.train.run_dir import RunDir, step_of
from umi_lite.train.samples import behind_one_prefix, rows_of, side_by_side
from umi_lite.train.schedule import scheduled
from umi_lite.train.stopping import stopping
from umi_lite.train.validation import Evaluation, evaluating


def run_job(
    recipe: Recipe, ready: Ready, backend: Backend, run: RunDir, reporter: Reporter, page: Page
) -> None:
    """Train one job, from its last complete checkpoint where there is one.

    Raises:
        KeyboardInterrupt: it was asked to stop (Ctrl-C, SIGTERM); a checkpoint was saved first.
        UserError: rows would be cut silently, the loss is no number any more, not even single
            rows fit into memory, a file cannot be written, or the adapter did not change.
    """
    name = ready.job.name
    with told_when_out(name), told_when_full(name, run):
        _run(recipe, ready, backend, run, reporter, page)


def _run(
    recipe: Recipe, ready: Ready, backend: Backend, run: RunDir, reporter: Reporter, page: Page
) -> None:
    from datasets import Dataset

    job, items = ready.job, evened(ready.items, share(ready.at_once))
    checkpoint = in_turns(lambda: run.last_checkpoint(job.name))
    start = None if job.start is None else run.adapter(job.start)
    with together():
        model, tokenizer = backend.open(start, job.seed)
    held_out = [row for rows in ready.held_out for row in rows]
    check_vocabulary(model, [*ready.rows, *held_out])
    before = fingerprint(model)
    collator = _collator(recipe, items, model, tokenizer, reporter, packs=backend.packs)
    if backend.packs and not is_sharded():  # FSDP may have put this process's weights off
        shortest = min(ready.rows, key=lambda row: len(row.ids))
        with together():  # where memory runs out already here, the first step will say so
            attempt(lambda: check_loss(model, shortest, collator, recipe))
    pieces = Pieces(run.pieces, reporter.note)
    trainer = scheduled(in_pieces(pieces, collator, job.name))(
        model=model,
        args=arguments(recipe, ready, run.checkpoints(job.name)),
        train_dataset=Dataset.from_dict({"item": list(range(len(items)))}),
        data_collator=WithRows(items, collator),
        processing_class=tokenizer,
        compute_loss_func=weighted_loss if backend.packs else None,
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    longest = max(len(row.ids) for item in items for row in rows_of(item))
    reporter.note(f"{job.name}: {effective(trainer, recipe, longest)}")
    best = Best(run.job(job.name))
    with stopping() as asked:
        trainer.add_callback(callback(ready, run, reporter, page, checkpoint, asked))
        if ready.held_out:
            loss = Evaluation(ready, collator, pieces).loss
            path = run.validation(job.name)
            trainer.add_callback(evaluating(recipe, path, best, trainer, loss))
        if is_main():
            begun = step_of(checkpoint) if checkpoint else 0
            for tracker in trackers(recipe, run, job.name, begun):
                trainer.add_callback(tracker)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if asked.to_stop:
        raise KeyboardInterrupt
    weights = gathered_weights(trainer)
    by_main(lambda: check_changed(before, fingerprint(model, weights), ready))
    _finish(ready, run, reporter, best, model, weights)
    del trainer
    backend.close(model)


def _collator(
    recipe: Recipe, items: Any, model: Any, tokenizer: Any, reporter: Reporter, *, packs: bool
) -> Collator:
    if not packs:
        return row_collator(model, items, recipe, tokenizer.pad_token_id or 0, reporter.note)
    return PackCollator(behind_one_prefix if shares_prefixes(recipe) else side_by_side)


def _finish(
    ready: Ready, run: RunDir, reporter: Reporter, best: Best, model: Any, weights: Any
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
        phrases = learn_phrases((row.ids, row.weights) for row in ready.rows)
        phrases.save(folder / PHRASES)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card is an empty form

    def end() -> None:
        run.finish(name, save)
        best.remove()

    by_main(end)
