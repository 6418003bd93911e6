"""One job through TRL's SFTTrainer, as it is: our rows, our collator, our callback."""

from pathlib import Path
from typing import Any

from umi_lite.recipe import Recipe
from umi_lite.train.arguments import arguments
from umi_lite.train.backends import Backend
from umi_lite.train.callback import callback
from umi_lite.train.collate import PackCollator, PlainCollator, weighted_loss
from umi_lite.train.effective import effective
from umi_lite.train.even import evened
from umi_lite.train.processes import by_main, gathered_weights, in_turns, share, together
from umi_lite.train.progress import Reporter
from umi_lite.train.ready import Ready, rows_of
from umi_lite.train.run_dir import RunDir
from umi_lite.train.stopping import stopping


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
    checkpoint = in_turns(lambda: run.last_checkpoint(job.name))
    start = None if job.start is None else run.adapter(job.start)
    with together():
        model, tokenizer = backend.open(start, job.seed)
    items: Any = evened(ready.items, share())
    packed = backend.packs
    collator = PackCollator(items) if packed else PlainCollator(items, tokenizer.pad_token_id or 0)
    trainer = SFTTrainer(
        model=model,
        args=arguments(recipe, job, run.checkpoints(job.name)),
        train_dataset=Dataset.from_dict({"item": list(range(len(items)))}),
        data_collator=collator,
        processing_class=tokenizer,
        compute_loss_func=weighted_loss if packed else None,
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    longest = max(len(row.ids) for item in items for row in rows_of(item))
    reporter.note(f"{job.name}: {effective(trainer, recipe, longest)}")
    with stopping() as asked:
        trainer.add_callback(callback(ready, run, reporter, checkpoint, asked))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if asked.to_stop:
        raise KeyboardInterrupt

    weights = gathered_weights(trainer)

    def save(folder: Path) -> None:
        model.save_pretrained(str(folder), state_dict=weights)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card is an empty form

    by_main(lambda: run.finish(job.name, save))
    del trainer
    backend.close(model)
